// trained_export.h: a trained model as a GGUF file that every command runs, and other programs read.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace r1 {

// `type`: f32, f16, bf16 or q8_0, for matrices; norms, biases and routers stay f32.
Status export_trained(const std::string& checkpoint_path, const std::string& gguf_path, std::string_view type);

}  // namespace r1
