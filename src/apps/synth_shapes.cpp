// synth_shapes.cpp: configurations, as plain values. Sources: DeepSeek-V3's config_671B.json, the config.json of the
// distills; "mini" is small enough to benchmark and has rows that are multiples of 256, as R1's are.
#include "apps/synth_shapes.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace r1 {
namespace {

struct DeepSeekSizes {
  int n_layers, n_dense_layers, dim, n_heads, q_lora_rank, inter_dim, n_routed_experts, moe_inter_dim, vocab_size;
};

// YaRN's correction of the softmax scale, with mscale_all_dim 1 as in V3 and R1.
float yarn_attention_scale(int head_dim, float factor) {
  const float magnitude = 0.1f * std::log(factor) + 1.0f;
  return magnitude * magnitude / std::sqrt(static_cast<float>(head_dim));
}

// Everything but the sizes is R1's.
ModelConfig deepseek(const DeepSeekSizes& s) {
  ModelConfig c;
  c.architecture = Architecture::kDeepSeek;
  c.vocab_size = s.vocab_size;
  c.dim = s.dim;
  c.n_layers = s.n_layers;
  c.n_heads = c.n_kv_heads = s.n_heads;
  c.inter_dim = s.inter_dim;
  c.context_length = 163840;
  c.q_lora_rank = s.q_lora_rank;
  c.kv_lora_rank = 512;
  c.qk_nope_head_dim = c.v_head_dim = 128;
  c.qk_rope_head_dim = 64;
  c.head_dim = c.qk_nope_head_dim + c.qk_rope_head_dim;
  c.n_dense_layers = s.n_dense_layers;
  c.n_shared_experts = 1;
  c.moe_inter_dim = s.moe_inter_dim;
  c.has_router_bias = true;
  c.route = {.n_routed_experts = s.n_routed_experts,
             .n_activated_experts = 8,
             .n_expert_groups = 8,
             .n_limited_groups = 4,
             .route_scale = 2.5f};
  c.rope.scaling = RopeConfig::Scaling::kYarn;
  c.rope.pairing = RopePairing::kInterleaved;
  c.rope.n_dims = c.qk_rope_head_dim;
  c.rope.factor = 40.0f;
  c.rope.original_context = 4096;
  c.attention_scale = yarn_attention_scale(c.head_dim, c.rope.factor);
  return c;
}

struct GqaSizes {
  int n_layers, dim, n_heads, n_kv_heads, head_dim, inter_dim, vocab_size, context_length;
};

ModelConfig gqa(Architecture architecture, const GqaSizes& s) {
  ModelConfig c;
  c.architecture = architecture;
  c.vocab_size = s.vocab_size;
  c.dim = s.dim;
  c.n_layers = c.n_dense_layers = s.n_layers;
  c.n_heads = s.n_heads;
  c.n_kv_heads = s.n_kv_heads;
  c.head_dim = s.head_dim;
  c.inter_dim = s.inter_dim;
  c.context_length = s.context_length;
  c.rope.n_dims = s.head_dim;
  c.attention_scale = 1.0f / std::sqrt(static_cast<float>(s.head_dim));
  return c;
}

void scale_rope_as_llama3(ModelConfig& c, int original_context) {
  c.rms_eps = 1e-5f;
  c.rope.theta = 500000.0f;
  c.rope.scaling = RopeConfig::Scaling::kLlama3;
  c.rope.factor = 8.0f;
  c.rope.original_context = original_context;
}

ModelConfig r1_slice(int n_layers) {
  // A slice of three layers shows both kinds; from four on it is R1's own beginning.
  const int n_dense_layers = n_layers <= 3 ? 1 : 3;
  return deepseek({n_layers, n_dense_layers, 7168, 128, 1536, 18432, 256, 2048, 129280});
}

// All parts of R1 in about a million parameters: YaRN, groups, a bias, a shared expert. Rows of 256 take K-quants.
ModelConfig tiny_deepseek(int n_layers) {
  ModelConfig c = deepseek({n_layers, 1, 256, 4, 64, 256, 8, 32, 320});
  c.kv_lora_rank = 32;
  c.qk_nope_head_dim = c.v_head_dim = 32;
  c.qk_rope_head_dim = 16;
  c.head_dim = 48;
  c.route.n_activated_experts = 2;
  c.route.n_expert_groups = 4;
  c.route.n_limited_groups = 2;
  c.context_length = 512;
  c.rope.n_dims = 16;
  c.rope.factor = 4.0f;
  c.rope.original_context = 128;
  c.attention_scale = yarn_attention_scale(c.head_dim, c.rope.factor);
  return c;
}

ModelConfig llama_8b(int n_layers) {
  ModelConfig c = gqa(Architecture::kLlama, {n_layers, 4096, 32, 8, 128, 14336, 128256, 131072});
  scale_rope_as_llama3(c, 8192);
  return c;
}

ModelConfig tiny_llama(int n_layers) {
  ModelConfig c = gqa(Architecture::kLlama, {n_layers, 256, 4, 2, 64, 256, 320, 512});
  scale_rope_as_llama3(c, 64);
  c.tied_head = true;  // as in SmolLM2 and Llama 3.2
  return c;
}

struct NamedShape {
  std::string_view name;
  int n_layers;
  SynthTokens tokens;
  ModelConfig (*config)(int n_layers);
};

const NamedShape kShapes[] = {
    {"r1-671b-slice", 3, SynthTokens::kDeepSeekR1, r1_slice},
    {"r1-mini", 8, SynthTokens::kDeepSeekR1,
     [](int n) {
       return deepseek({n, 2, 1024, 16, 512, 4096, 64, 512, 32256});
     }},
    {"qwen2-1.5b", 28, SynthTokens::kDeepSeekR1Qwen,
     [](int n) {
       return gqa(Architecture::kQwen2, {n, 1536, 12, 2, 128, 8960, 151936, 131072});
     }},
    {"llama-8b", 32, SynthTokens::kDeepSeekR1Llama, llama_8b},
    {"tiny-deepseek", 3, SynthTokens::kDeepSeekR1, tiny_deepseek},
    {"tiny-qwen2", 2, SynthTokens::kChatMl,
     [](int n) {
       return gqa(Architecture::kQwen2, {n, 256, 4, 2, 64, 256, 320, 512});
     }},
    {"tiny-llama", 2, SynthTokens::kLlama3, tiny_llama},
};

}  // namespace

std::string synth_shape_names() {
  std::string names;
  for (const NamedShape& shape : kShapes) {
    names += names.empty() ? "" : ", ";
    names += shape.name;
  }
  return names;
}

Result<SynthShape> synth_shape(std::string_view name, int n_layers) {
  const auto* shape = std::find_if(std::begin(kShapes), std::end(kShapes), [&](auto& s) { return s.name == name; });
  if (shape == std::end(kShapes)) {
    return Error{ErrorCode::kNotFound, fmt::format("no shape '{}'; there are {}", name, synth_shape_names())};
  }
  constexpr int kMaxLayers = 1000;
  if (n_layers < 0 || n_layers > kMaxLayers) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{} layers, there can be 1 to {}", n_layers, kMaxLayers)};
  }
  SynthShape result{shape->config(n_layers == 0 ? shape->n_layers : n_layers), shape->tokens};
  result.config.n_dense_layers = std::min(result.config.n_dense_layers, result.config.n_layers);
  result.config.name = fmt::format("synthetic {}", name);
  return result;
}

}  // namespace r1
