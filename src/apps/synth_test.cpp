// synth_test.cpp: a synthetic model is one that everybody can read: the loader, the tokenizer, and each format the
// same.
#include "apps/synth.h"

#include <cmath>
#include <cstring>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "apps/type_mix.h"
#include "base/json.h"
#include "base/temp_folder_for_tests.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "kernels/kernels.h"
#include "model/weights.h"
#include "text/tokenizer.h"

namespace r1 {
namespace {

constexpr const char* kTinyShapes[] = {"tiny-deepseek", "tiny-qwen2", "tiny-llama"};

std::string make(const TempFolder& folder, const SynthOptions& options, const std::string& name) {
  const Status status = synthesize(options, folder.path_of(name));
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
  return folder.path_of(name);
}

std::vector<float> values_of(const StoredTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.n_values()));
  kernels(tensor.dtype).dequantize(tensor.data, values.data(), tensor.shape.n_values());
  return values;
}

std::map<std::string, const StoredTensor*> by_name(const std::vector<StoredTensor>& tensors) {
  std::map<std::string, const StoredTensor*> result;
  for (const StoredTensor& tensor : tensors) result[tensor.name] = &tensor;
  return result;
}

void expect_same_config(const ModelConfig& a, const ModelConfig& b) {
  EXPECT_EQ(a.architecture, b.architecture);
  EXPECT_EQ(a.vocab_size, b.vocab_size);
  EXPECT_EQ(a.dim, b.dim);
  EXPECT_EQ(a.n_layers, b.n_layers);
  EXPECT_EQ(a.n_dense_layers, b.n_dense_layers);
  EXPECT_EQ(a.n_heads, b.n_heads);
  EXPECT_EQ(a.n_kv_heads, b.n_kv_heads);
  EXPECT_EQ(a.head_dim, b.head_dim);
  EXPECT_EQ(a.inter_dim, b.inter_dim);
  EXPECT_EQ(a.context_length, b.context_length);
  EXPECT_EQ(a.rms_eps, b.rms_eps);
  EXPECT_EQ(a.rope.theta, b.rope.theta);
  EXPECT_EQ(a.rope.n_dims, b.rope.n_dims);
  EXPECT_FLOAT_EQ(a.attention_scale, b.attention_scale);
  EXPECT_EQ(a.q_lora_rank, b.q_lora_rank);
  EXPECT_EQ(a.kv_lora_rank, b.kv_lora_rank);
  EXPECT_EQ(a.qk_nope_head_dim, b.qk_nope_head_dim);
  EXPECT_EQ(a.qk_rope_head_dim, b.qk_rope_head_dim);
  EXPECT_EQ(a.v_head_dim, b.v_head_dim);
  EXPECT_EQ(a.n_shared_experts, b.n_shared_experts);
  EXPECT_EQ(a.moe_inter_dim, b.moe_inter_dim);
  EXPECT_EQ(a.has_router_bias, b.has_router_bias);
  EXPECT_EQ(a.route.n_routed_experts, b.route.n_routed_experts);
  EXPECT_EQ(a.route.n_expert_groups, b.route.n_expert_groups);
  EXPECT_EQ(a.route.n_limited_groups, b.route.n_limited_groups);
  EXPECT_EQ(a.route.route_scale, b.route.route_scale);
}

TEST(Synth, EveryShapeIsReadBackAsItselfFromBothFormats) {
  for (const char* name :
       {"r1-671b-slice", "r1-mini", "qwen2-1.5b", "llama-8b", "tiny-deepseek", "tiny-qwen2", "tiny-llama"}) {
    SCOPED_TRACE(name);
    const ModelConfig config = synth_shape(name, 0)->config;
    for (const MlaTensors mla : {MlaTensors::kSplit, MlaTensors::kJoined}) {
      const auto from_gguf = config_from_gguf(gguf_metadata(config, mla));
      ASSERT_TRUE(from_gguf.ok()) << from_gguf.error().message;
      expect_same_config(config, *from_gguf);
    }
    const auto from_hf = config_from_hf(Json(hf_config(config, {.dtype = "bfloat16"})));
    ASSERT_TRUE(from_hf.ok()) << from_hf.error().message;
    expect_same_config(config, *from_hf);
    EXPECT_EQ(config.tied_head, from_hf->tied_head);
    EXPECT_EQ(config.rope.scaling, from_hf->rope.scaling);
  }
}

TEST(Synth, R1SliceHasR1sSizes) {
  // deepseek-r1.md, section 1.2: embedding and head, final norm, one dense layer, two MoE layers.
  constexpr std::int64_t kExpected = std::int64_t{2} * 926'679'040 + 7'168 + 583'483'392 + 2 * 11'507'286'272;
  const ModelConfig config = synth_shape("r1-671b-slice", 3)->config;
  const auto tensors = synth_gguf_tensors(config, "q4_k", MlaTensors::kSplit);
  std::int64_t n_values = 0;
  for (const SynthTensor& tensor : *tensors) n_values += tensor.announced.shape.n_values();
  EXPECT_EQ(n_values, kExpected);
}

TEST(Synth, EveryTypeLoadsAsAModel) {
  for (const char* type : {"f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k",
                           "q4_k_m", "q5_k", "q5_k_m", "q6_k", "iq4_nl", "iq4_xs"}) {
    const TempFolder folder;
    const auto model = load_model(make(folder, {.shape = "tiny-deepseek", .type = type, .n_layers = 2}, "m.gguf"));
    ASSERT_TRUE(model.ok()) << type << ": " << model.error().message;
    EXPECT_EQ(model->config.n_layers, 2);
  }
}

TEST(Synth, FoldersOfEveryTypeLoadAsModels) {
  for (const char* shape : kTinyShapes) {
    for (const char* type : {"f32", "f16", "bf16", "fp8"}) {
      const TempFolder folder;
      const SynthOptions options{.shape = shape, .type = type, .n_layers = 2, .max_shard_bytes = 400'000};
      if (std::string_view(type) == "fp8" && std::string_view(shape) != "tiny-deepseek") {
        EXPECT_EQ(synthesize(options, folder.path_of("m")).error().code, ErrorCode::kUnsupported);
        continue;
      }
      const auto model = load_model(make(folder, options, "m"));
      EXPECT_TRUE(model.ok()) << shape << " " << type << ": " << model.error().message;
    }
  }
}

TEST(Synth, TheSameSeedGivesTheSameFileAndAnotherAnother) {
  const TempFolder folder;
  const auto bytes = [&](std::uint64_t seed, const std::string& name) {
    return *read_file(make(folder, {.shape = "tiny-qwen2", .type = "q4_0", .seed = seed}, name), 10 << 20);
  };
  const std::string one = bytes(1, "a.gguf"), again = bytes(1, "b.gguf"), other = bytes(2, "c.gguf");
  EXPECT_TRUE(one == again);
  EXPECT_EQ(one.size(), other.size());
  EXPECT_FALSE(one == other);
}

TEST(Synth, BothFormatsHoldTheSameNumbers) {
  const TempFolder folder;
  const auto gguf = GgufFile::open(make(folder, {.shape = "tiny-deepseek", .type = "f32"}, "m.gguf"));
  const auto hf = SafetensorsFile::open(make(folder, {.shape = "tiny-deepseek", .type = "f32"}, "m"));
  const auto in_gguf = by_name(gguf->tensors()), in_hf = by_name(hf->tensors());
  const auto expect_equal = [&](const std::string& gguf_name, std::size_t expert, const std::string& hf_name) {
    const StoredTensor &stacked = *in_gguf.at(gguf_name), &one = *in_hf.at(hf_name);
    const auto n_bytes = static_cast<std::size_t>(one.n_bytes);
    EXPECT_EQ(std::memcmp(stacked.data + expert * n_bytes, one.data, n_bytes), 0) << hf_name;
  };
  expect_equal("token_embd.weight", 0, "model.embed_tokens.weight");
  expect_equal("blk.1.attn_q_b.weight", 0, "model.layers.1.self_attn.q_b_proj.weight");
  expect_equal("blk.1.exp_probs_b.bias", 0, "model.layers.1.mlp.gate.e_score_correction_bias");
  expect_equal("blk.2.ffn_up_exps.weight", 5, "model.layers.2.mlp.experts.5.up_proj.weight");
}

TEST(Synth, SplitKeysAndValuesAreTheJoinedMatrixRearranged) {
  const TempFolder folder;
  const auto open = [&](MlaTensors mla, const std::string& name) {
    return GgufFile::open(make(folder, {.shape = "tiny-deepseek", .type = "f32", .mla = mla}, name));
  };
  const auto split = open(MlaTensors::kSplit, "s.gguf"), joined = open(MlaTensors::kJoined, "j.gguf");
  const auto of_split = by_name(split->tensors());
  const auto kv_b = values_of(*by_name(joined->tensors()).at("blk.0.attn_kv_b.weight"));
  const auto k_b = values_of(*of_split.at("blk.0.attn_k_b.weight")),
             v_b = values_of(*of_split.at("blk.0.attn_v_b.weight"));
  const int nope = 32, v = 32, rank = 32, head = 3;
  EXPECT_EQ(k_b[(head * rank + 5) * nope + 7], kv_b[(head * (nope + v) + 7) * rank + 5]);
  EXPECT_EQ(v_b[(head * v + 7) * rank + 5], kv_b[(head * (nope + v) + nope + 7) * rank + 5]);
}

TEST(Synth, Fp8TimesItsScalesIsCloseToTheFloats) {
  const TempFolder folder;
  const auto fp8 = SafetensorsFile::open(make(folder, {.shape = "tiny-deepseek", .type = "fp8"}, "fp8"));
  const auto f32 = SafetensorsFile::open(make(folder, {.shape = "tiny-deepseek", .type = "f32"}, "f32"));
  const std::string name = "model.layers.0.mlp.gate_proj.weight";
  const auto rounded = values_of(*by_name(fp8->tensors()).at(name)),
             exact = values_of(*by_name(f32->tensors()).at(name));
  const auto scales = values_of(*by_name(fp8->tensors()).at(name + "_scale_inv"));
  ASSERT_EQ(scales.size(), 4u);  // 256 x 256
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const float value = rounded[i] * scales[i / 256 / 128 * 2 + i % 256 / 128];
    // Three bits of mantissa; below FP8's smallest normal number, 2^-6, steps of 2^-9.
    EXPECT_NEAR(value, exact[i], std::max(std::fabs(exact[i]) / 16, scales[0] / 512)) << i;
  }
}

TEST(Synth, RowsThatHoldNoWholeBlocksFallBackAsInRealFiles) {
  const TempFolder folder;
  const auto file = GgufFile::open(make(folder, {.shape = "tiny-deepseek", .type = "q4_k_m"}, "m.gguf"));
  const auto tensors = by_name(file->tensors());
  EXPECT_EQ(tensors.at("output.weight")->dtype, Dtype::kQ6_K);
  EXPECT_EQ(tensors.at("token_embd.weight")->dtype, Dtype::kQ6_K);
  EXPECT_EQ(tensors.at("blk.1.ffn_up_exps.weight")->dtype, Dtype::kQ4_K);
  EXPECT_EQ(tensors.at("blk.1.ffn_down_exps.weight")->dtype, Dtype::kQ8_0);  // rows of 32
  EXPECT_EQ(tensors.at("blk.1.attn_k_b.weight")->dtype, Dtype::kQ8_0);
  EXPECT_EQ(tensors.at("blk.1.ffn_gate_inp.weight")->dtype, Dtype::kF32);
  EXPECT_EQ(tensors.at("blk.1.attn_norm.weight")->dtype, Dtype::kF32);
}

TEST(Synth, LargeMatricesComeFromAPoolWithTheRightSpread) {
  SynthWeights weights(1);
  for (const Dtype dtype : {Dtype::kF32, Dtype::kQ4_K, Dtype::kQ8_0}) {
    const SynthTensor tensor{{"w", dtype, {1024, 512}}, {{7, 1024, 512, 0.0f, 0.25f}}, {}, {}};
    std::vector<std::byte> bytes;
    const auto collect = [&](std::span<const std::byte> piece) -> Status {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return {};
    };
    ASSERT_TRUE(weights.write(tensor, collect).ok());
    ASSERT_EQ(static_cast<std::int64_t>(bytes.size()), bytes_of(dtype, 1024 * 512));
    const auto values = values_of({"w", dtype, {1024, 512}, bytes.data(), static_cast<std::int64_t>(bytes.size())});
    double sum = 0, squares = 0;
    for (const float value : values) sum += value, squares += value * value;
    EXPECT_NEAR(sum / static_cast<double>(values.size()), 0.0, 0.005);
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(values.size())), 0.25, 0.01);
    EXPECT_NE(values[0], values[512]);  // rows differ
  }
}

TEST(Synth, TheTokenizerReadsAnyTextBack) {
  for (const char* shape : kTinyShapes) {
    const TempFolder folder;
    const auto tokenizer = Tokenizer::from_hf_folder(make(folder, {.shape = shape}, "m"));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    const std::string text = "Grüße, 世界 \n\t 12345 <filler_3> \xf0\x9f\x98\x80";
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
    EXPECT_EQ(tokenizer->vocab_size(), 320);
    EXPECT_GE(tokenizer->eos_id(), 256);
    EXPECT_TRUE(tokenizer->ends_answer(tokenizer->eos_id()));
  }
}

TEST(Synth, WhatItCannotMakeIsNamed) {
  const TempFolder folder;
  EXPECT_EQ(
      synthesize({.shape = "r2"}, folder.path_of("m")).error().message,
      "no shape 'r2'; there are r1-671b-slice, r1-mini, qwen2-1.5b, llama-8b, tiny-deepseek, tiny-qwen2, tiny-llama");
  EXPECT_EQ(synthesize({.shape = "tiny-llama", .type = "iq1_s"}, folder.path_of("m.gguf")).error().code,
            ErrorCode::kInvalidInput);
  EXPECT_EQ(synthesize({.shape = "tiny-llama", .type = "q4_0"}, folder.path_of("m")).error().message,
            "no type 'q4_0' in folders; there are f32, bf16, f16, fp8");
  const Status too_large =
      synthesize({.shape = "r1-671b-slice", .type = "f32", .n_layers = 1000}, folder.path_of("m.gguf"));
  EXPECT_EQ(too_large.error().code, ErrorCode::kOutOfResource);
  EXPECT_EQ(folder.n_entries(), 0);
}

}  // namespace
}  // namespace r1
