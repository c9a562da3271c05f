// weights.h: a model's numbers, bound to their names in files by one table (model/tensor_table.h).
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/model_config.h"
#include "ops/moe_experts.h"
#include "ops/tensor.h"

namespace r1 {

// Matrices stay as the file stores them; vectors are f32. What a layer of this model doesn't have is absent or null.
struct LayerWeights {
  const float* attn_norm = nullptr;  // [dim]
  Weight wq;                         // [n_heads * head_dim, dim]: GQA, and MLA with q_lora_rank 0
  Weight wk, wv;                     // [n_kv_heads * head_dim, dim]
  const float *bq = nullptr, *bk = nullptr, *bv = nullptr;  // Qwen2
  Weight wq_a;                                              // [q_lora_rank, dim]
  const float* q_norm = nullptr;                            // [q_lora_rank]
  Weight wq_b;                                              // [n_heads * (nope + rope), q_lora_rank]
  Weight wkv_a;                                             // [kv_lora_rank + rope, dim]
  const float* kv_norm = nullptr;                           // [kv_lora_rank]
  Weight wkv_b;                                             // [n_heads * (nope + v), kv_lora_rank], or in its place:
  Weight wk_b, wv_b;                           // [n_heads * kv_lora_rank, nope], [n_heads * v, kv_lora_rank]
  Weight wo;                                   // [dim, n_heads * v_head_dim]
  const float* ffn_norm = nullptr;             // [dim]
  Weight w_gate, w_up, w_down;                 // [inter_dim, dim] twice, [dim, inter_dim]
  Weight router;                               // [n_routed_experts, dim]
  const float* router_bias = nullptr;          // [n_routed_experts]
  std::vector<ExpertWeights> experts;          // [n_routed_experts]
  Weight shared_gate, shared_up, shared_down;  // as one expert of width n_shared_experts * moe_inter_dim
  // Of the layer for multi-token prediction alone: norms of the next token's embedding and of the hidden state, what
  // joins the two, and the norm before the head.
  const float *enorm = nullptr, *hnorm = nullptr;  // [dim]
  Weight eh_proj;                                  // [dim, 2 * dim]: the embedding's columns come first
  const float* head_norm = nullptr;                // [dim]
};

struct Weights {
  Weight embed;                      // [vocab_size, dim]
  std::vector<LayerWeights> layers;  // [n_layers]
  const float* norm = nullptr;       // [dim]
  Weight head;                       // [vocab_size, dim]
  std::optional<LayerWeights> mtp;   // layer n_layers of files that have one; embedding and head are the model's

  const LayerWeights& layer(int i) const {
    return static_cast<std::size_t>(i) < layers.size() ? layers[static_cast<std::size_t>(i)] : *mtp;
  }
};

// A model in memory: the views above, the mapped files they look into, and the few numbers that had to be converted.
struct Model {
  ModelConfig config;
  Weights weights;
  std::variant<std::monostate, GgufFile, SafetensorsFile> files;
  std::deque<std::vector<float>> converted;

  bool is_gguf() const { return std::holds_alternative<GgufFile>(files); }
  std::span<const MappedFile> mapped_files() const;  // those the weights look into
  std::optional<Error> damage()
      const;  // a file that was cut short, or that can't be read any more, since it was opened
  const GgufMetadata* gguf_metadata() const { return is_gguf() ? &std::get<GgufFile>(files).metadata() : nullptr; }
};

// `path`: a GGUF file or any of its shards, or a Hugging Face folder. A tensor that is missing, is not part of the
// architecture, or has another shape than the configuration says is one Error that names it.
Result<Model> load_model(const std::string& path);

// Bytes of weights that decoding one token reads: everything but the embedding table, and of the routed experts the
// activated share.
std::int64_t bytes_per_token(const Model& model);

}  // namespace r1
