// model_config.h: what a model is, as a plain value, from GGUF metadata or a Hugging Face config.json. Names and R1's
// values: docs/glossary.md.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "formats/gguf.h"
#include "ops/attention.h"
#include "ops/rope.h"
#include "ops/route.h"

namespace r1 {

enum class Architecture {
  kDeepSeek,  // deepseek_v2, deepseek_v3: MLA, mixture of experts
  kQwen2,     // GQA with biases on q, k and v
  kLlama,     // GQA
};
std::string_view to_string(Architecture architecture);

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::string name;  // for people; may be empty
  int vocab_size = 0, dim = 0, n_layers = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0;
  int inter_dim = 0;       // hidden width of a dense FFN
  int context_length = 0;  // the longest the model was made for
  float rms_eps = 1e-6f;
  bool tied_head = false;  // the output head is the embedding table
  RopeConfig rope;
  float attention_scale = 0;  // on q . k; for YaRN with its correction

  // DeepSeek only.
  int q_lora_rank = 0;  // 0: q is one full matrix
  int kv_lora_rank = 0, qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
  int n_dense_layers = 0;  // leading layers whose FFN is dense; without experts: all
  int n_shared_experts = 0, moe_inter_dim = 0;
  RouteConfig route;
  bool has_router_bias = false;
  // Layers n_layers, … of the file, for multi-token prediction: not part of the main model. The first is used.
  int n_mtp_layers = 0;

  bool is_deepseek() const { return architecture == Architecture::kDeepSeek; }
  bool is_moe_layer(int layer) const { return route.n_routed_experts > 0 && layer >= n_dense_layers; }
  GqaShape gqa_shape() const { return {n_heads, n_kv_heads, head_dim, attention_scale}; }
  MlaShape mla_shape() const {
    return {n_heads, kv_lora_rank, qk_nope_head_dim, qk_rope_head_dim, v_head_dim, attention_scale};
  }
  // With room for the latents of multi-token prediction, or without.
  KvLayout kv_layout(Dtype dtype, bool with_mtp = false) const;
};

Result<ModelConfig> config_from_gguf(const GgufMetadata& metadata);
Result<ModelConfig> config_from_hf(const Json& config);

}  // namespace r1
