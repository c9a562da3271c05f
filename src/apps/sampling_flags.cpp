// sampling_flags.cpp: names, ranges, and the seed nobody gave.
#include "apps/sampling_flags.h"

#include <CLI/CLI.hpp>

#include "base/rng.h"

#include "apps/number_between.h"

namespace r1 {

void SamplingFlags::add_to(CLI::App& command) {
  command.add_option("--temp", temperature, "temperature; 0 is greedy")->check(number_between(0, 10));
  command.add_option("--top-p", top_p, "smallest set of tokens with this probability")->check(number_between(0, 1));
  command.add_option("--top-k", top_k, "the k likeliest tokens; 0: all")->check(CLI::Range(0, 1 << 24));
  command.add_option("--min-p", min_p, "tokens with this share of the best one's probability")
      ->check(number_between(0, 1));
  command.add_option("--repetition-penalty", repetition_penalty, "above 1: repeat less")
      ->check(number_between(0.1, 10));
  command.add_option("--seed", seed, "same seed, same text");
}

SamplingParams SamplingFlags::over(SamplingParams params) const {
  params.temperature = temperature.value_or(params.temperature);
  params.top_p = top_p.value_or(params.top_p);
  params.top_k = top_k.value_or(params.top_k);
  params.min_p = min_p.value_or(params.min_p);
  params.repetition_penalty = repetition_penalty.value_or(params.repetition_penalty);
  params.seed = seed ? *seed : random_seed();
  return params;
}

}  // namespace r1
