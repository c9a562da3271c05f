// tensor_table.h: which tensor of a file is which weight, once for all who need to know: the loader, `r1 synth`, `r1
// inspect`. Names: DeepSeek-V3's README_WEIGHTS.md, transformers' qwen2 and llama, llama.cpp's gguf-py.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "model/model_config.h"
#include "model/weights.h"

namespace r1 {

// A tensor of every layer that `wanted` names.
struct TensorSpec {
  std::variant<Weight LayerWeights::*, const float * LayerWeights::*> field;  // a matrix or a vector
  std::string_view gguf;                                                      // "blk.N." + this
  std::string_view hf;  // "model.layers.N." + this; empty: such folders don't have it
  Shape (*shape)(const ModelConfig&);
  bool (*wanted)(const ModelConfig&, int layer);
  bool optional = false;
};

// One of an expert's three matrices: stacked over the experts in GGUF, a tensor for each expert in Hugging Face
// folders.
struct ExpertSpec {
  Weight ExpertWeights::*field;
  std::string_view gguf;  // "blk.N." + this, [n_routed_experts, rows, cols]
  std::string_view hf;    // "model.layers.N.mlp.experts.E." + this
  Shape (*shape)(const ModelConfig&);
};

std::span<const TensorSpec> layer_tensors();
std::span<const ExpertSpec> expert_tensors();

struct OuterNames {
  std::string_view embed, norm, head;
};
inline constexpr OuterNames kGgufNames{"token_embd.weight", "output_norm.weight", "output.weight"};
inline constexpr OuterNames kHfNames{"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"};

// What some files repeat in the layer for multi-token prediction: the model's embedding and head, under these names
// within the layer.
inline constexpr std::string_view kGgufMtpCopies[] = {"nextn.embed_tokens.weight", "nextn.shared_head_head.weight"};
inline constexpr std::string_view kHfMtpCopies[] = {"embed_tokens.weight", "shared_head.head.weight"};

std::string gguf_layer_name(int layer, std::string_view name);  // "blk.3.attn_q.weight"
std::string hf_layer_name(int layer, std::string_view name);    // "model.layers.3.self_attn.q_proj.weight"
std::string hf_expert_name(int layer, int expert,
                           std::string_view name);  // "model.layers.3.mlp.experts.7.up_proj.weight"

}  // namespace r1
