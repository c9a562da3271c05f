// examples_for_tests.h: sequences of random ids, each token with a coefficient of its own, for tests of the trainer.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/rng.h"
#include "train/trainer.h"

namespace r1 {

inline constexpr int kVocabulary = 96;

inline std::vector<Example> random_examples(std::initializer_list<int> lengths, std::uint64_t seed = 3) {
  std::vector<Example> examples;
  Rng rng(seed, 0);
  for (const int length : lengths) {
    Example& example = examples.emplace_back();
    for (int i = 0; i < length; ++i) {
      example.tokens.push_back(static_cast<int>(rng.below(kVocabulary)));
      example.coefficients.push_back(0.02f * (1.0f + rng.normal()));
    }
  }
  return examples;
}

}  // namespace r1
