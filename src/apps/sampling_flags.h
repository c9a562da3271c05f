// sampling_flags.h: the sampling options of `r1 run` and `r1 chat`; what is not given is the model's default.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/engine.h"

namespace CLI {
class App;
}

namespace r1 {

struct SamplingFlags {
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k;
  std::optional<std::uint64_t> seed;  // not given: another one each time

  void add_to(CLI::App& command);
  SamplingParams over(SamplingParams params) const;  // what was given, over a model's defaults
};

}  // namespace r1
