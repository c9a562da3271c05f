// shapes.h: the models that `r1 recipe nano` trains: DeepSeek-V3's architecture in small, and dense students of the
// Qwen2 and Llama kinds.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/model_config.h"

namespace r1 {

// "nano-0.15m", "nano-1m", "nano-3m" (active parameters), "student-qwen2", "student-llama"; the Error lists them. A
// nano's name with "+mtp" behind it: the same with the layer for multi-token prediction.
Result<ModelConfig> trained_shape(std::string_view name, int vocab_size);

}  // namespace r1
