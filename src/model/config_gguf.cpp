// config_gguf.cpp: GGUF metadata to ModelConfig. Keys are those llama.cpp's converters write (deepseek2.*, qwen2.*,
// llama.*).
#include <cmath>

#include <fmt/format.h>

#include "model/config_checks.h"

namespace r1 {
namespace {

// Reads keys of one architecture; the first that is missing or wrong is remembered.
class Keys {
 public:
  Keys(const GgufMetadata& metadata, std::string architecture)
      : metadata_(metadata), prefix_(std::move(architecture) + ".") {}

  bool has(std::string_view key) const { return metadata_.has(prefix_ + std::string(key)); }
  int integer(std::string_view key) {
    return narrow(key, keep(metadata_.integer(prefix_ + std::string(key)), std::int64_t{0}));
  }
  int integer(std::string_view key, int fallback) {
    return narrow(key, keep(metadata_.integer(prefix_ + std::string(key), fallback), std::int64_t{fallback}));
  }
  float number(std::string_view key, double fallback) {
    return static_cast<float>(keep(metadata_.number(prefix_ + std::string(key), fallback), fallback));
  }
  bool boolean(std::string_view key, bool fallback) {
    return keep(metadata_.boolean(prefix_ + std::string(key), fallback), fallback);
  }
  std::string string(std::string_view key, std::string_view fallback) {
    return keep(metadata_.string(prefix_ + std::string(key), fallback), std::string(fallback));
  }
  void fail(std::string message) {
    if (status_.ok()) status_ = Error{ErrorCode::kInvalidInput, std::move(message)};
  }
  const Status& status() const { return status_; }

 private:
  template <typename T>
  T keep(Result<T> result, T fallback) {
    if (result.ok()) return std::move(result).value();
    fail(result.error().message);
    return fallback;
  }
  int narrow(std::string_view key, std::int64_t value) {
    if (value < INT32_MIN || value > INT32_MAX) fail(fmt::format("gguf: '{}{}' is {}", prefix_, key, value));
    return static_cast<int>(value);
  }
  const GgufMetadata& metadata_;
  std::string prefix_;
  Status status_;
};

void read_rope(Keys& k, ModelConfig& c) {
  c.rope.theta = k.number("rope.freq_base", 10000.0);
  c.rope.factor = k.number("rope.scaling.factor", 1.0);
  c.rope.original_context = k.integer("rope.scaling.original_context_length", c.context_length);
  const std::string kind = k.string("rope.scaling.type", "none");
  if (kind == "none") {
    c.rope.scaling = RopeConfig::Scaling::kNone;
  } else if (kind == "linear") {
    c.rope.scaling = RopeConfig::Scaling::kLinear;
  } else if (kind == "yarn" && c.is_deepseek()) {
    c.rope.scaling = RopeConfig::Scaling::kYarn;
    c.rope.beta_fast = k.number("rope.scaling.yarn_beta_fast", 32.0);
    c.rope.beta_slow = k.number("rope.scaling.yarn_beta_slow", 1.0);
    // The converter writes 0.1 * mscale_all_dim; cos and sin keep their size, as mscale equals mscale_all_dim in every
    // file.
    const float mscale_all_dim = 10.0f * k.number("rope.scaling.yarn_log_multiplier", 0.0);
    const float correction = yarn_magnitude(c.rope.factor, mscale_all_dim);
    c.attention_scale *= correction * correction;
  } else {
    k.fail(fmt::format("gguf: rope scaling '{}' is not known for {}", kind, to_string(c.architecture)));
  }
}

void read_experts(Keys& k, ModelConfig& c) {
  c.route.n_routed_experts = k.integer("expert_count", 0);
  if (c.route.n_routed_experts == 0) {
    c.n_dense_layers = c.n_layers;
    return;
  }
  constexpr int kSoftmax = 1, kSigmoid = 2;
  c.n_dense_layers = k.integer("leading_dense_block_count", 0);
  c.moe_inter_dim = k.integer("expert_feed_forward_length");
  c.n_shared_experts = k.integer("expert_shared_count", 0);
  c.route.n_activated_experts = k.integer("expert_used_count");
  c.route.route_scale = k.number("expert_weights_scale", 1.0);
  c.route.normalize = k.boolean("expert_weights_norm", false);
  const int gating = k.integer("expert_gating_func", kSoftmax);
  if (gating != kSoftmax && gating != kSigmoid) k.fail(fmt::format("gguf: expert_gating_func {} is not known", gating));
  c.route.scoring = gating == kSigmoid ? RouteConfig::Scoring::kSigmoid : RouteConfig::Scoring::kSoftmax;
  c.has_router_bias = gating == kSigmoid;
  c.route.group_score = c.has_router_bias ? RouteConfig::GroupScore::kSumOfTopTwo : RouteConfig::GroupScore::kMaximum;
  // Files made before 2025's end lack the group keys; R1's and V3's shape is then known to use 8 groups, 4 per token.
  const bool r1_shape = c.route.n_routed_experts == 256 && gating == kSigmoid;
  c.route.n_expert_groups = k.integer("expert_group_count", r1_shape ? 8 : 1);
  c.route.n_limited_groups = k.integer("expert_group_used_count", r1_shape ? 4 : 1);
}

void read_deepseek(Keys& k, ModelConfig& c) {
  c.q_lora_rank = k.integer("attention.q_lora_rank", 0);
  c.kv_lora_rank = k.integer("attention.kv_lora_rank");
  c.qk_rope_head_dim = k.integer("rope.dimension_count");
  const bool mla_converted = k.has("attention.key_length_mla");
  c.head_dim = k.integer(mla_converted ? "attention.key_length_mla" : "attention.key_length");
  c.v_head_dim = k.integer(mla_converted ? "attention.value_length_mla" : "attention.value_length");
  c.qk_nope_head_dim = c.head_dim - c.qk_rope_head_dim;
  c.n_kv_heads = c.n_heads;
  c.rope.n_dims = c.qk_rope_head_dim;
  c.rope.pairing = RopePairing::kInterleaved;
  c.n_mtp_layers = k.integer("nextn_predict_layers", 0);
  c.n_layers -= c.n_mtp_layers;  // block_count includes them where they are there
  read_experts(k, c);
}

void read_gqa(Keys& k, ModelConfig& c) {
  c.n_kv_heads = k.integer("attention.head_count_kv", c.n_heads);
  c.head_dim = k.integer("attention.key_length", c.n_heads > 0 ? c.dim / c.n_heads : 0);
  c.rope.n_dims = k.integer("rope.dimension_count", c.head_dim);
  // The converter permutes q and k of llama, and only of llama, so that pairs lie beside each other.
  c.rope.pairing = c.architecture == Architecture::kLlama ? RopePairing::kInterleaved : RopePairing::kHalves;
  c.n_dense_layers = c.n_layers;
  if (k.integer("expert_count", 0) > 0) k.fail("gguf: experts are only known for deepseek2");
}

}  // namespace

Result<ModelConfig> config_from_gguf(const GgufMetadata& metadata) {
  R1_TRY(const std::string architecture, metadata.string("general.architecture"));
  ModelConfig c;
  if (architecture == "deepseek2")
    c.architecture = Architecture::kDeepSeek;
  else if (architecture == "qwen2")
    c.architecture = Architecture::kQwen2;
  else if (architecture == "llama")
    c.architecture = Architecture::kLlama;
  else
    return Error{ErrorCode::kUnsupported,
                 fmt::format("gguf: architecture '{}', this build runs deepseek2, qwen2, llama", architecture)};

  Keys k(metadata, architecture);
  R1_TRY(c.name, metadata.string("general.name", ""));
  c.dim = k.integer("embedding_length");
  c.n_layers = k.integer("block_count");
  c.n_heads = k.integer("attention.head_count");
  c.inter_dim = k.integer("feed_forward_length");
  c.context_length = k.integer("context_length", 2048);
  c.rms_eps = k.number("attention.layer_norm_rms_epsilon", 1e-6);
  // Many converters leave vocab_size out: the list of tokens, or the embedding table, has the number.
  c.vocab_size = k.integer("vocab_size", 0);
  if (c.vocab_size == 0 && metadata.has("tokenizer.ggml.tokens")) {
    R1_TRY(const auto* tokens, metadata.strings("tokenizer.ggml.tokens"));
    c.vocab_size = static_cast<int>(tokens->size());
  }
  if (c.is_deepseek())
    read_deepseek(k, c);
  else
    read_gqa(k, c);
  c.attention_scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  read_rope(k, c);
  if (!k.status().ok()) return k.status().error();
  R1_TRY_STATUS(check_config(c));
  return c;
}

}  // namespace r1
