// synth_shapes.h: the models `r1 synth` can make: real layer sizes, and tiny ones for tests.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/model_config.h"

namespace r1 {

// Which control tokens, pre-tokenizer and chat template a synthetic model gets.
enum class SynthTokens {
  kDeepSeekR1,      // R1's own
  kDeepSeekR1Qwen,  // the distills: R1's control tokens and template, the base model's pre-tokenizer
  kDeepSeekR1Llama,
  kChatMl,  // Qwen2
  kLlama3,
};

struct SynthShape {
  ModelConfig config;
  SynthTokens tokens = SynthTokens::kDeepSeekR1;
};

// "r1-671b-slice, r1-mini, ...": for help and errors.
std::string synth_shape_names();

// n_layers 0: as many as the shape has by itself.
Result<SynthShape> synth_shape(std::string_view name, int n_layers);

}  // namespace r1
