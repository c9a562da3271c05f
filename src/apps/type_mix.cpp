// type_mix.cpp: the mixes. R1's published files keep attention and shared experts at 4 bits or more while the routed
// experts, 97 % of the model, go lower; plain models follow llama.cpp's habits.
#include "apps/type_mix.h"

#include <algorithm>

#include <fmt/format.h>

#include "formats/tensor_names.h"

namespace r1 {
namespace {

using enum Dtype;

const TypeMix kMixes[] = {
    // name, file type, base, attention, down, embedding, head, more
    {"f32", 0, kF32, kF32, kF32, kF32, kF32, kF32},
    {"f16", 1, kF16, kF16, kF16, kF16, kF16, kF16},
    {"bf16", 32, kBF16, kBF16, kBF16, kBF16, kBF16, kBF16},
    {"q4_0", 2, kQ4_0, kQ4_0, kQ4_0, kQ4_0, kQ6_K, kQ4_0},
    {"q4_1", 3, kQ4_1, kQ4_1, kQ4_1, kQ4_1, kQ6_K, kQ4_1},
    {"q5_0", 8, kQ5_0, kQ5_0, kQ5_0, kQ5_0, kQ6_K, kQ5_0},
    {"q5_1", 9, kQ5_1, kQ5_1, kQ5_1, kQ5_1, kQ6_K, kQ5_1},
    {"q8_0", 7, kQ8_0, kQ8_0, kQ8_0, kQ8_0, kQ8_0, kQ8_0},
    {"q2_k", 10, kQ2_K, kQ4_K, kQ3_K, kQ4_K, kQ6_K, kQ2_K},
    {"q3_k", 11, kQ3_K, kQ4_K, kQ4_K, kQ4_K, kQ6_K, kQ3_K},
    {"q4_k", 14, kQ4_K, kQ4_K, kQ4_K, kQ4_K, kQ6_K, kQ4_K},
    {"q4_k_m", 15, kQ4_K, kQ4_K, kQ4_K, kQ6_K, kQ6_K, kQ6_K},
    {"q5_k", 16, kQ5_K, kQ5_K, kQ5_K, kQ5_K, kQ6_K, kQ5_K},
    {"q5_k_m", 17, kQ5_K, kQ5_K, kQ5_K, kQ6_K, kQ6_K, kQ6_K},
    {"q6_k", 18, kQ6_K, kQ6_K, kQ6_K, kQ6_K, kQ6_K, kQ6_K},
    {"iq4_nl", 25, kIQ4_NL, kIQ4_NL, kIQ4_NL, kIQ4_NL, kQ6_K, kIQ4_NL},
    {"iq4_xs", 30, kIQ4_XS, kIQ4_XS, kIQ4_XS, kIQ4_XS, kQ6_K, kIQ4_XS},
};

// The first and last eighth of the layers, and every third between: llama.cpp's choice.
bool matters_more(int layer, int n_layers) {
  const int eighth = n_layers / 8;
  return layer < eighth || layer >= n_layers - eighth || (layer - eighth) % 3 == 2;
}

Dtype wanted(const TypeMix& mix, const TensorPlace& place) {
  if (contains(place.name, "token_embd")) return mix.embedding;
  if (place.name == "output.weight") return mix.head;
  const bool is_down = contains(place.name, "ffn_down");
  if ((is_down || contains(place.name, "attn_v")) && matters_more(place.layer, place.n_layers) &&
      mix.more != mix.base) {
    return mix.more;
  }
  const bool all_tokens = contains(place.name, "attn_") || contains(place.name, "_shexp");
  if (place.is_deepseek && all_tokens) return mix.attention;
  return is_down ? mix.down : mix.base;
}

}  // namespace

Result<TypeMix> type_mix(std::string_view name) {
  for (const TypeMix& mix : kMixes) {
    if (mix.name == name) return mix;
  }
  return Error{ErrorCode::kInvalidInput, fmt::format("no type '{}'; there are {}", name, type_mix_names())};
}

std::string type_mix_names() {
  std::string names;
  for (const TypeMix& mix : kMixes) {
    names += names.empty() ? "" : ", ";
    names += mix.name;
  }
  return names;
}

Dtype choose_dtype(const TypeMix& mix, const TensorPlace& place) {
  if (place.shape.n_dims == 1 || contains(place.name, "ffn_gate_inp")) return kF32;
  const Dtype dtype = wanted(mix, place);
  const auto fits = [&](Dtype candidate) { return place.shape.last() % traits(candidate).block_values == 0; };
  if (fits(dtype)) return dtype;
  return fits(kQ8_0) ? kQ8_0 : kF16;
}

}  // namespace r1
