// config_hf.cpp: Hugging Face config.json to ModelConfig. Keys: reference pages of deepseek_v3, qwen2 and llama in
// transformers.
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/config_checks.h"

namespace r1 {
namespace {

// Reads fields of one JSON object; the first that is missing or wrong is remembered, so that a table of fields reads as
// a table.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}

  int integer(std::string_view key) {
    if (!object_.contains(key) || object_.at(std::string(key)).is_null())
      fail("config.json has no '" + std::string(key) + "'");
    return integer(key, 0);
  }
  int integer(std::string_view key, int fallback) {
    const std::int64_t value = keep(json_int(object_, key, fallback), std::int64_t{fallback});
    if (value < INT32_MIN || value > INT32_MAX) fail(fmt::format("config.json: '{}' is {}", key, value));
    return static_cast<int>(value);
  }
  float number(std::string_view key, double fallback) {
    return static_cast<float>(keep(json_number(object_, key, fallback), fallback));
  }
  bool boolean(std::string_view key, bool fallback) { return keep(json_bool(object_, key, fallback), fallback); }
  std::string string(std::string_view key, std::string_view fallback) {
    return keep(json_string(object_, key, fallback), std::string(fallback));
  }
  void fail(std::string message) {
    if (status_.ok()) status_ = Error{ErrorCode::kInvalidInput, std::move(message)};
  }
  const Status& status() const { return status_; }

 private:
  template <typename T>
  T keep(Result<T> result, T fallback) {
    if (result.ok()) return std::move(result).value();
    fail("config.json: " + result.error().message);
    return fallback;
  }
  const Json& object_;
  Status status_;
};

Json rope_scaling_of(const Json& config) {
  // transformers 5 calls it rope_parameters and keeps theta inside.
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (config.contains(key) && config.at(key).is_object()) return config.at(key);
  }
  return Json::object();
}

Status read_rope(const Json& config, ModelConfig& c) {
  const Json scaling_json = rope_scaling_of(config);
  Fields top(config), scaling(scaling_json);
  c.rope.theta = scaling.number("rope_theta", top.number("rope_theta", 10000.0));
  c.rope.factor = scaling.number("factor", 1.0);
  c.rope.original_context = scaling.integer("original_max_position_embeddings", c.context_length);
  const std::string kind = scaling.string("rope_type", scaling.string("type", "default"));
  if (kind == "default") {
    c.rope.scaling = RopeConfig::Scaling::kNone;
  } else if (kind == "linear") {
    c.rope.scaling = RopeConfig::Scaling::kLinear;
  } else if (kind == "llama3") {
    c.rope.scaling = RopeConfig::Scaling::kLlama3;
    c.rope.low_freq_factor = scaling.number("low_freq_factor", 1.0);
    c.rope.high_freq_factor = scaling.number("high_freq_factor", 4.0);
  } else if (kind == "yarn" && c.is_deepseek()) {
    c.rope.scaling = RopeConfig::Scaling::kYarn;
    c.rope.beta_fast = scaling.number("beta_fast", 32.0);
    c.rope.beta_slow = scaling.number("beta_slow", 1.0);
    const float mscale = scaling.number("mscale", 1.0), mscale_all_dim = scaling.number("mscale_all_dim", 0.0);
    c.rope.magnitude = yarn_magnitude(c.rope.factor, mscale) / yarn_magnitude(c.rope.factor, mscale_all_dim);
    const float correction = yarn_magnitude(c.rope.factor, mscale_all_dim);
    c.attention_scale *= correction * correction;
  } else {
    scaling.fail(fmt::format("config.json: rope scaling '{}' is not known for {}", kind, to_string(c.architecture)));
  }
  if (!top.status().ok()) return top.status();
  return scaling.status();
}

void read_experts(Fields& f, ModelConfig& c) {
  c.route.n_routed_experts = f.integer("n_routed_experts", 0);
  if (c.route.n_routed_experts == 0) {
    c.n_dense_layers = c.n_layers;
    return;
  }
  c.n_dense_layers = f.integer("first_k_dense_replace", 0);
  c.moe_inter_dim = f.integer("moe_intermediate_size");
  c.n_shared_experts = f.integer("n_shared_experts", 0);
  c.route.n_activated_experts = f.integer("num_experts_per_tok");
  c.route.n_expert_groups = f.integer("n_group", 1);
  c.route.n_limited_groups = f.integer("topk_group", 1);
  c.route.normalize = f.boolean("norm_topk_prob", false);
  c.route.route_scale = f.number("routed_scaling_factor", 1.0);
  if (f.integer("moe_layer_freq", 1) != 1) f.fail("config.json: moe_layer_freq other than 1 is not known");
  const bool v3 = f.string("model_type", "") == "deepseek_v3";
  const std::string scoring = f.string("scoring_func", v3 ? "sigmoid" : "softmax");
  if (scoring != "sigmoid" && scoring != "softmax") f.fail("config.json: scoring_func '" + scoring + "' is not known");
  c.route.scoring = scoring == "sigmoid" ? RouteConfig::Scoring::kSigmoid : RouteConfig::Scoring::kSoftmax;
  const std::string method = f.string("topk_method", v3 ? "noaux_tc" : "greedy");
  c.has_router_bias = method == "noaux_tc";
  c.route.group_score = c.has_router_bias ? RouteConfig::GroupScore::kSumOfTopTwo : RouteConfig::GroupScore::kMaximum;
  if (method == "greedy") {
    c.route.n_expert_groups = c.route.n_limited_groups = 1;
  } else if (method != "noaux_tc" && method != "group_limited_greedy") {
    f.fail("config.json: topk_method '" + method + "' is not known");
  }
}

void read_deepseek(Fields& f, ModelConfig& c) {
  c.q_lora_rank = f.integer("q_lora_rank", 0);
  c.kv_lora_rank = f.integer("kv_lora_rank");
  c.qk_nope_head_dim = f.integer("qk_nope_head_dim");
  c.qk_rope_head_dim = f.integer("qk_rope_head_dim");
  c.v_head_dim = f.integer("v_head_dim");
  c.n_kv_heads = c.n_heads;
  c.head_dim = c.qk_nope_head_dim + c.qk_rope_head_dim;
  c.n_mtp_layers = f.integer("num_nextn_predict_layers", 0);
  c.rope.n_dims = c.qk_rope_head_dim;
  c.rope.pairing = RopePairing::kInterleaved;
  read_experts(f, c);
}

void read_gqa(Fields& f, ModelConfig& c) {
  c.n_kv_heads = f.integer("num_key_value_heads", c.n_heads);
  c.head_dim = f.integer("head_dim", c.n_heads > 0 ? c.dim / c.n_heads : 0);
  c.rope.n_dims = c.head_dim;
  c.rope.pairing = RopePairing::kHalves;
  c.n_dense_layers = c.n_layers;
  if (f.boolean("use_sliding_window", false)) f.fail("config.json: sliding-window attention is not known");
  if (c.architecture == Architecture::kLlama && (f.boolean("attention_bias", false) || f.boolean("mlp_bias", false))) {
    f.fail("config.json: llama with biases is not known");
  }
}

}  // namespace

Result<ModelConfig> config_from_hf(const Json& config) {
  if (!config.is_object()) return Error{ErrorCode::kInvalidInput, "config.json: not a JSON object"};
  Fields f(config);
  ModelConfig c;
  const std::string type = f.string("model_type", "");
  if (type == "deepseek_v3" || type == "deepseek_v2")
    c.architecture = Architecture::kDeepSeek;
  else if (type == "qwen2")
    c.architecture = Architecture::kQwen2;
  else if (type == "llama")
    c.architecture = Architecture::kLlama;
  else
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("config.json: model_type '{}', this build runs deepseek_v3, deepseek_v2, qwen2, llama", type)};

  c.name = f.string("_name_or_path", "");
  c.vocab_size = f.integer("vocab_size");
  c.dim = f.integer("hidden_size");
  c.n_layers = f.integer("num_hidden_layers");
  c.n_heads = f.integer("num_attention_heads");
  c.inter_dim = f.integer("intermediate_size");
  c.context_length = f.integer("max_position_embeddings", 2048);
  c.rms_eps = f.number("rms_norm_eps", 1e-6);
  c.tied_head = f.boolean("tie_word_embeddings", false);
  const std::string activation = f.string("hidden_act", "silu");
  if (activation != "silu") f.fail("config.json: hidden_act '" + activation + "' is not known");
  if (c.is_deepseek())
    read_deepseek(f, c);
  else
    read_gqa(f, c);
  if (!f.status().ok()) return f.status().error();

  c.attention_scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  R1_TRY_STATUS(read_rope(config, c));
  R1_TRY_STATUS(check_config(c));
  return c;
}

}  // namespace r1
