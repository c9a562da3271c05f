// model_config.cpp: what both file formats' readers share: derived values, and the check that a configuration can be
// run at all.
#include "model/model_config.h"

#include "model/config_checks.h"

#include <cmath>

#include <fmt/format.h>

namespace r1 {

std::string_view to_string(Architecture architecture) {
  switch (architecture) {
    case Architecture::kDeepSeek:
      return "deepseek";
    case Architecture::kQwen2:
      return "qwen2";
    case Architecture::kLlama:
      return "llama";
  }
  return "";
}

KvLayout ModelConfig::kv_layout(Dtype dtype, bool with_mtp) const {
  if (is_deepseek()) return {n_layers + (with_mtp ? 1 : 0), mla_shape().latent_width(), 0, dtype};
  return {n_layers, n_kv_heads * head_dim, n_kv_heads * head_dim, dtype};
}

namespace {

struct Bound {
  std::string_view name;
  int value, low, high;
};

Status check_bounds(std::initializer_list<Bound> bounds) {
  for (const Bound& b : bounds) {
    if (b.value < b.low || b.value > b.high) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("model config: {} is {}, sensible is {} to {}", b.name, b.value, b.low, b.high)};
    }
  }
  return {};
}

Status check_deepseek(const ModelConfig& c) {
  R1_TRY_STATUS(check_bounds({{"q_lora_rank", c.q_lora_rank, 0, 1 << 16},
                              {"kv_lora_rank", c.kv_lora_rank, 1, 1 << 14},
                              {"qk_nope_head_dim", c.qk_nope_head_dim, 1, 1 << 12},
                              {"qk_rope_head_dim", c.qk_rope_head_dim, 2, 1 << 12},
                              {"v_head_dim", c.v_head_dim, 1, 1 << 12},
                              {"n_dense_layers", c.n_dense_layers, 0, c.n_layers},
                              {"n_mtp_layers", c.n_mtp_layers, 0, 1 << 4},
                              {"n_routed_experts", c.route.n_routed_experts, 0, 1 << 14}}));
  if (c.route.n_routed_experts == 0) return {};
  R1_TRY_STATUS(check_bounds({{"moe_inter_dim", c.moe_inter_dim, 1, 1 << 20},
                              {"n_shared_experts", c.n_shared_experts, 0, 1 << 8},
                              {"n_activated_experts", c.route.n_activated_experts, 1, c.route.n_routed_experts},
                              {"n_expert_groups", c.route.n_expert_groups, 1, c.route.n_routed_experts},
                              {"n_limited_groups", c.route.n_limited_groups, 1, c.route.n_expert_groups}}));
  const int group_size = c.route.n_routed_experts / c.route.n_expert_groups;
  if (c.route.n_routed_experts % c.route.n_expert_groups != 0) {
    return Error{ErrorCode::kInvalidInput, fmt::format("model config: {} experts can't be cut into {} equal groups",
                                                       c.route.n_routed_experts, c.route.n_expert_groups)};
  }
  if (c.route.n_limited_groups * group_size < c.route.n_activated_experts) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("model config: {} groups of {} experts can't give {} per token", c.route.n_limited_groups,
                             group_size, c.route.n_activated_experts)};
  }
  return {};
}

}  // namespace

Status check_config(const ModelConfig& c) {
  constexpr int kMaxContext = 1 << 26;
  R1_TRY_STATUS(check_bounds({{"vocab_size", c.vocab_size, 1, 1 << 24},
                              {"dim", c.dim, 1, 1 << 20},
                              {"n_layers", c.n_layers, 1, 1 << 12},
                              {"n_heads", c.n_heads, 1, 1 << 12},
                              {"inter_dim", c.inter_dim, 1, 1 << 22},
                              {"context_length", c.context_length, 1, kMaxContext},
                              {"rotated dimensions", c.rope.n_dims, 2, 1 << 12}}));
  if (c.rope.n_dims % 2 != 0) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("model config: {} rotated dimensions can't be paired", c.rope.n_dims)};
  }
  if (!(c.rms_eps > 0) || !(c.rope.theta > 1) || !(c.rope.factor > 0) || !std::isfinite(c.attention_scale)) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("model config: rms_eps {}, rope theta {} or rope factor {} makes no sense", c.rms_eps,
                             c.rope.theta, c.rope.factor)};
  }
  if (c.is_deepseek()) return check_deepseek(c);
  constexpr int kMaxGroup = 64;  // what the attention op's stack space holds
  R1_TRY_STATUS(check_bounds({{"n_kv_heads", c.n_kv_heads, 1, c.n_heads},
                              {"head_dim", c.head_dim, 2, 1 << 12},
                              {"rotated dimensions", c.rope.n_dims, 2, c.head_dim}}));
  if (c.n_heads % c.n_kv_heads != 0 || c.n_heads / c.n_kv_heads > kMaxGroup) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("model config: {} heads can't share {} key-value heads", c.n_heads, c.n_kv_heads)};
  }
  return {};
}

float yarn_magnitude(float factor, float mscale) {
  return factor <= 1.0f ? 1.0f : 0.1f * mscale * std::log(factor) + 1.0f;
}

}  // namespace r1
