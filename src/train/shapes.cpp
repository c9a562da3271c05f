// shapes.cpp: sizes. Contraction lengths are multiples of 32, so that every quantisation by blocks of 32 fits.
#include "train/shapes.h"

#include <cmath>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr int kContext = 1024;

struct MoeSizes {
  int dim, n_layers, n_heads, q_lora_rank, kv_lora_rank, inter_dim, moe_inter_dim, n_routed_experts;
};

// MLA, the first layer dense, then experts: sigmoid scores with a bias, two routed and one shared (DeepSeek-V3).
ModelConfig deepseek(const MoeSizes& s) {
  ModelConfig c;
  c.architecture = Architecture::kDeepSeek;
  c.dim = s.dim;
  c.n_layers = s.n_layers;
  c.n_heads = c.n_kv_heads = s.n_heads;
  c.q_lora_rank = s.q_lora_rank;
  c.kv_lora_rank = s.kv_lora_rank;
  c.qk_nope_head_dim = c.v_head_dim = 32;
  c.qk_rope_head_dim = 16;
  c.head_dim = c.qk_nope_head_dim + c.qk_rope_head_dim;
  c.inter_dim = s.inter_dim;
  c.n_dense_layers = 1;
  c.n_shared_experts = 1;
  c.moe_inter_dim = s.moe_inter_dim;
  c.has_router_bias = true;
  c.route = {.n_routed_experts = s.n_routed_experts, .n_activated_experts = 2};
  c.rope.pairing = RopePairing::kInterleaved;
  c.rope.n_dims = c.qk_rope_head_dim;
  return c;
}

struct DenseSizes {
  int dim, n_layers, n_heads, n_kv_heads, inter_dim;
};

ModelConfig dense(Architecture architecture, const DenseSizes& s) {
  ModelConfig c;
  c.architecture = architecture;
  c.dim = s.dim;
  c.n_layers = c.n_dense_layers = s.n_layers;
  c.n_heads = s.n_heads;
  c.n_kv_heads = s.n_kv_heads;
  c.head_dim = 32;
  c.inter_dim = s.inter_dim;
  c.rope.n_dims = c.head_dim;
  // As GGUF files hold the two.
  c.rope.pairing = architecture == Architecture::kLlama ? RopePairing::kInterleaved : RopePairing::kHalves;
  return c;
}

struct Named {
  std::string_view name;
  ModelConfig config;
};

const Named kShapes[] = {
    {"nano-0.15m", deepseek({64, 3, 2, 0, 32, 128, 32, 8})},
    {"nano-1m", deepseek({128, 6, 4, 0, 32, 320, 64, 8})},
    {"nano-3m", deepseek({256, 6, 8, 64, 64, 640, 128, 16})},
    {"student-qwen2", dense(Architecture::kQwen2, {128, 6, 4, 2, 384})},
    {"student-llama", dense(Architecture::kLlama, {128, 4, 4, 4, 352})},
};

}  // namespace

Result<ModelConfig> trained_shape(std::string_view name, int vocab_size) {
  constexpr std::string_view kMtp = "+mtp";
  const bool with_mtp = name.ends_with(kMtp);
  const std::string_view plain = with_mtp ? name.substr(0, name.size() - kMtp.size()) : name;
  std::string names;
  for (const Named& shape : kShapes) {
    if (shape.name != plain || (with_mtp && !shape.config.is_deepseek())) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", shape.name);
      continue;
    }
    ModelConfig c = shape.config;
    c.name = name;
    c.n_mtp_layers = with_mtp ? 1 : 0;
    c.vocab_size = vocab_size;
    c.context_length = kContext;
    c.tied_head = true;
    c.attention_scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
    return c;
  }
  return Error{ErrorCode::kInvalidInput,
               fmt::format("no trained shape '{}'; there are {}; +mtp behind a nano's name adds "
                           "multi-token prediction",
                           name, names)};
}

}  // namespace r1
