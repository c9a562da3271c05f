// type_mix.h: which tensor of a quantised file gets which number format. A name such as "q4_k_m" is a mix: most of the
// file in one format, what matters more per byte in a wider one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "base/result.h"

namespace r1 {

struct TypeMix {
  std::string_view name;  // "q4_k_m"
  int file_type;          // llama.cpp's number for it, general.file_type
  Dtype base;             // most of it: experts, dense FFN, and all attention of models without experts
  Dtype attention;        // DeepSeek's attention and shared experts: every token passes through them
  Dtype down;             // second matrix of every FFN
  Dtype embedding, head;
  Dtype more;  // for values and down matrices in the layers that matter most; base: nowhere
};

Result<TypeMix> type_mix(std::string_view name);
std::string type_mix_names();  // "f32, f16, ..."

// Format of the GGUF tensor `name` with rows of n_cols values, in layer `layer` of n_layers (0 outside the layers).
// Vectors and routers stay f32; a row that holds no whole blocks gets the next format that fits.
struct TensorPlace {
  std::string_view name;
  Shape shape;
  int layer = 0, n_layers = 1;
  bool is_deepseek = false;
};
Dtype choose_dtype(const TypeMix& mix, const TensorPlace& place);

}  // namespace r1
