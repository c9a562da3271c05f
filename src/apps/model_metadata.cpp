// model_metadata.cpp: the keys llama.cpp's converters write, and those of transformers' configurations.
#include "apps/model_metadata.h"

#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace r1 {
namespace {

class Keys {
 public:
  Keys(GgufMetadata& metadata, std::string prefix) : metadata_(metadata), prefix_(std::move(prefix)) {}
  void integer(std::string_view key, int value) { set(key, static_cast<std::uint64_t>(value)); }
  void number(std::string_view key, float value) { set(key, static_cast<double>(value)); }
  void flag(std::string_view key, bool value) { set(key, value); }
  void text(std::string_view key, std::string value) { set(key, std::move(value)); }

 private:
  void set(std::string_view key, GgufValue value) { metadata_.set(prefix_ + std::string(key), std::move(value)); }
  GgufMetadata& metadata_;
  std::string prefix_;
};

std::string_view gguf_architecture(Architecture architecture) {
  switch (architecture) {
    case Architecture::kDeepSeek:
      return "deepseek2";
    case Architecture::kQwen2:
      return "qwen2";
    case Architecture::kLlama:
      return "llama";
  }
  return "";
}

void add_mla(Keys& keys, const ModelConfig& c, MlaTensors mla) {
  if (c.q_lora_rank > 0) keys.integer("attention.q_lora_rank", c.q_lora_rank);
  keys.integer("attention.kv_lora_rank", c.kv_lora_rank);
  keys.integer("rope.dimension_count", c.qk_rope_head_dim);
  if (mla == MlaTensors::kJoined) {
    keys.integer("attention.head_count_kv", c.n_heads);
    keys.integer("attention.key_length", c.head_dim);
    keys.integer("attention.value_length", c.v_head_dim);
    return;
  }
  // Seen as attention with one key and value head, the latent, that all heads share.
  keys.integer("attention.head_count_kv", 1);
  keys.integer("attention.key_length", c.kv_lora_rank + c.qk_rope_head_dim);
  keys.integer("attention.value_length", c.kv_lora_rank);
  keys.integer("attention.key_length_mla", c.head_dim);
  keys.integer("attention.value_length_mla", c.v_head_dim);
}

void add_experts(Keys& keys, const ModelConfig& c) {
  constexpr int kSoftmax = 1, kSigmoid = 2;
  if (c.route.n_routed_experts == 0) return;
  keys.integer("leading_dense_block_count", c.n_dense_layers);
  keys.integer("expert_count", c.route.n_routed_experts);
  keys.integer("expert_used_count", c.route.n_activated_experts);
  keys.integer("expert_shared_count", c.n_shared_experts);
  keys.integer("expert_feed_forward_length", c.moe_inter_dim);
  keys.integer("expert_group_count", c.route.n_expert_groups);
  keys.integer("expert_group_used_count", c.route.n_limited_groups);
  keys.integer("expert_gating_func", c.route.scoring == RouteConfig::Scoring::kSigmoid ? kSigmoid : kSoftmax);
  keys.number("expert_weights_scale", c.route.route_scale);
  keys.flag("expert_weights_norm", c.route.normalize);
}

void add_rope(Keys& keys, const ModelConfig& c) {
  keys.number("rope.freq_base", c.rope.theta);
  if (c.rope.scaling != RopeConfig::Scaling::kYarn) return;  // Llama 3's scaling is a tensor, rope_freqs
  keys.text("rope.scaling.type", "yarn");
  keys.number("rope.scaling.factor", c.rope.factor);
  keys.integer("rope.scaling.original_context_length", c.rope.original_context);
  keys.number("rope.scaling.yarn_log_multiplier", 0.1f);  // 0.1 * mscale_all_dim
}

// The number people wrote: 1e-06, not 9.999999974752427e-07.
double decimal(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

OrderedJson rope_scaling_json(const RopeConfig& rope) {
  if (rope.scaling == RopeConfig::Scaling::kYarn) {
    return {{"type", "yarn"},
            {"factor", decimal(rope.factor)},
            {"original_max_position_embeddings", rope.original_context},
            {"beta_fast", decimal(rope.beta_fast)},
            {"beta_slow", decimal(rope.beta_slow)},
            {"mscale", 1.0},
            {"mscale_all_dim", 1.0}};
  }
  if (rope.scaling == RopeConfig::Scaling::kLlama3) {
    return {{"rope_type", "llama3"},
            {"factor", decimal(rope.factor)},
            {"low_freq_factor", decimal(rope.low_freq_factor)},
            {"high_freq_factor", decimal(rope.high_freq_factor)},
            {"original_max_position_embeddings", rope.original_context}};
  }
  return nullptr;
}

void add_deepseek(OrderedJson& json, const ModelConfig& c) {
  json["q_lora_rank"] = c.q_lora_rank > 0 ? OrderedJson(c.q_lora_rank) : OrderedJson(nullptr);
  json["kv_lora_rank"] = c.kv_lora_rank;
  json["qk_nope_head_dim"] = c.qk_nope_head_dim;
  json["qk_rope_head_dim"] = c.qk_rope_head_dim;
  json["v_head_dim"] = c.v_head_dim;
  json["moe_intermediate_size"] = c.moe_inter_dim;
  json["first_k_dense_replace"] = c.n_dense_layers;
  json["moe_layer_freq"] = 1;
  json["n_routed_experts"] = c.route.n_routed_experts;
  json["n_shared_experts"] = c.n_shared_experts;
  json["num_experts_per_tok"] = c.route.n_activated_experts;
  json["n_group"] = c.route.n_expert_groups;
  json["topk_group"] = c.route.n_limited_groups;
  json["norm_topk_prob"] = c.route.normalize;
  json["routed_scaling_factor"] = decimal(c.route.route_scale);
  json["scoring_func"] = c.route.scoring == RouteConfig::Scoring::kSigmoid ? "sigmoid" : "softmax";
  json["topk_method"] = c.has_router_bias ? "noaux_tc" : "greedy";
  json["num_nextn_predict_layers"] = c.n_mtp_layers;
}

struct HfNames {
  std::string_view model_type, class_name;
};
HfNames hf_names(Architecture architecture) {
  switch (architecture) {
    case Architecture::kDeepSeek:
      return {"deepseek_v3", "DeepseekV3ForCausalLM"};
    case Architecture::kQwen2:
      return {"qwen2", "Qwen2ForCausalLM"};
    case Architecture::kLlama:
      return {"llama", "LlamaForCausalLM"};
  }
  return {};
}

}  // namespace

GgufMetadata gguf_metadata(const ModelConfig& c, MlaTensors mla) {
  GgufMetadata metadata;
  const std::string architecture(gguf_architecture(c.architecture));
  metadata.set("general.architecture", architecture);
  metadata.set("general.type", std::string("model"));
  metadata.set("general.name", c.name);
  Keys keys(metadata, architecture + ".");
  keys.integer("block_count", c.n_layers + c.n_mtp_layers);
  if (c.n_mtp_layers > 0) keys.integer("nextn_predict_layers", c.n_mtp_layers);
  keys.integer("context_length", c.context_length);
  keys.integer("embedding_length", c.dim);
  keys.integer("feed_forward_length", c.inter_dim);
  keys.integer("vocab_size", c.vocab_size);
  keys.integer("attention.head_count", c.n_heads);
  keys.number("attention.layer_norm_rms_epsilon", c.rms_eps);
  add_rope(keys, c);
  if (c.is_deepseek()) {
    add_mla(keys, c, mla);
    add_experts(keys, c);
    return metadata;
  }
  keys.integer("attention.head_count_kv", c.n_kv_heads);
  keys.integer("attention.key_length", c.head_dim);
  keys.integer("attention.value_length", c.head_dim);
  keys.integer("rope.dimension_count", c.rope.n_dims);
  return metadata;
}

OrderedJson hf_config(const ModelConfig& c, const HfConfigExtras& extras) {
  const HfNames names = hf_names(c.architecture);
  OrderedJson json = {{"architectures", OrderedJson::array({names.class_name})},
                      {"model_type", names.model_type},
                      {"vocab_size", c.vocab_size},
                      {"hidden_size", c.dim},
                      {"intermediate_size", c.inter_dim},
                      {"num_hidden_layers", c.n_layers},
                      {"num_attention_heads", c.n_heads},
                      {"num_key_value_heads", c.n_kv_heads}};
  if (c.is_deepseek()) {
    add_deepseek(json, c);
  } else {
    json["head_dim"] = c.head_dim;
  }
  json["hidden_act"] = "silu";
  json["max_position_embeddings"] = c.context_length;
  json["rms_norm_eps"] = decimal(c.rms_eps);
  json["rope_theta"] = decimal(c.rope.theta);
  json["rope_scaling"] = rope_scaling_json(c.rope);
  if (c.architecture != Architecture::kQwen2) json["attention_bias"] = false;  // Qwen2 has them without saying
  json["tie_word_embeddings"] = c.tied_head;
  json["bos_token_id"] = extras.bos_id;
  json["eos_token_id"] = extras.eos_id;
  json["torch_dtype"] = extras.dtype;
  if (extras.has_fp8_blocks) {
    json["quantization_config"] = {
        {"quant_method", "fp8"}, {"fmt", "e4m3"}, {"activation_scheme", "dynamic"}, {"weight_block_size", {128, 128}}};
  }
  return json;
}

}  // namespace r1
