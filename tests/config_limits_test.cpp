// config_limits_test.cpp: a model's sizes are numbers from a file: zero, negative or absurd ones are an error of one
// line, before anything is divided by them or taken for them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "base/temp_folder_for_tests.h"
#include "model/weights.h"

namespace r1 {
namespace {

class ConfigLimits : public testing::TestWithParam<const char*> {
 protected:
  ConfigLimits() {
    std::filesystem::copy(std::string(R1_SOURCE_DIR "/tests/data/tiny/") + GetParam(), folder_.path());
    std::ifstream(folder_.path_of("config.json")) >> config_;
  }
  Result<Model> load(const nlohmann::json& config) const {
    folder_.write("config.json", config.dump());
    return load_model(folder_.path());
  }

  // Latent attention has no heads of keys, and V2-Lite's greedy choice no groups, whatever their files say.
  bool is_read(const std::string& key) const {
    const bool is_mla = config_.contains("kv_lora_rank"), is_greedy = config_.value("topk_method", "") == "greedy";
    return !(is_mla && key == "num_key_value_heads") && !(is_greedy && (key == "n_group" || key == "topk_group"));
  }

  TempFolder folder_;
  nlohmann::json config_;
};

TEST_P(ConfigLimits, SizesThatAreNoneAreErrors) {
  EXPECT_TRUE(load(config_).ok());
  for (const char* key : {"hidden_size", "vocab_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "intermediate_size", "head_dim", "kv_lora_rank", "qk_rope_head_dim",
                          "qk_nope_head_dim", "v_head_dim", "n_routed_experts", "moe_intermediate_size",
                          "num_experts_per_tok", "n_group", "topk_group", "first_k_dense_replace"}) {
    if (!config_.contains(key) || config_[key].is_null() || !is_read(key)) continue;
    for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 31, std::int64_t{1} << 62}) {
      nlohmann::json changed = config_;
      changed[key] = value;
      const auto loaded = load(changed);
      EXPECT_FALSE(loaded.ok()) << key << ": " << value;
      if (!loaded.ok()) {
        EXPECT_EQ(loaded.error().message.find('\n'), std::string::npos) << loaded.error().message;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, ConfigLimits, testing::Values("v3_yarn_f32", "v2lite_softmax_f32", "qwen2_tied"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace r1
