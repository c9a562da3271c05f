// cmd_inspect_test.cpp: what `r1 inspect` counts, and what it says about files that are broken.
#include <algorithm>

#include <gtest/gtest.h>

#include "apps/command_for_tests.h"
#include "apps/model_summary.h"
#include "apps/synth.h"
#include "base/temp_folder_for_tests.h"
#include "formats/gguf_bytes_for_tests.h"

namespace r1 {
namespace {

std::string tiny(const std::string& name) { return R1_SOURCE_DIR "/tests/data/tiny/" + name; }

TEST(Inspect, CountsActiveParametersOfAMixture) {
  const auto model = inspect_model(tiny("v3_yarn_f32"));
  ASSERT_TRUE(model.ok()) << model.error().message;
  // config.json: 2 of 3 layers have 16 experts of 3 matrices 64 x 48, of which 4 are used.
  const ModelSummary& summary = model->summary;
  EXPECT_EQ(summary.n_params - summary.n_active_params, 2 * 12 * 3 * 64 * 48);
  EXPECT_EQ(summary.architecture, "deepseek_v3");
  EXPECT_EQ(summary.n_layers, 3);
  EXPECT_EQ(summary.census.size(), 1u);
  EXPECT_EQ(summary.census[0].n_bytes, summary.n_weight_bytes);
  EXPECT_EQ(summary.n_params * 4, summary.n_weight_bytes);
}

TEST(Inspect, StackedExpertsCountLikeSeparateOnes) {
  GgufMetadata metadata;
  metadata.set("general.architecture", std::string("deepseek2"));
  metadata.set("deepseek2.expert_count", std::uint64_t{8});
  metadata.set("deepseek2.expert_used_count", std::uint64_t{2});
  metadata.set("deepseek2.block_count", std::uint64_t{2});
  metadata.set("deepseek2.nextn_predict_layers", std::uint64_t{1});
  const std::vector<AnnouncedTensor> tensors = {{"token_embd.weight", Dtype::kF32, {10, 4}},
                                                {"blk.0.ffn_up_exps.weight", Dtype::kQ4_0, {8, 3, 32}},
                                                {"blk.0.ffn_up_shexp.weight", Dtype::kQ4_0, {3, 32}},
                                                {"blk.1.ffn_up_exps.weight", Dtype::kF32, {8, 3, 4}},
                                                {"rope_freqs.weight", Dtype::kF32, {4}}};
  const TempFolder folder;
  const auto produce = [&](std::size_t i, const TensorSink& sink) {
    return sink(std::vector<std::byte>(static_cast<std::size_t>(*checked_bytes(tensors[i].dtype, tensors[i].shape))));
  };
  ASSERT_TRUE(GgufWriter(metadata, tensors).write(folder.path_of("m.gguf"), produce).ok());
  const auto model = inspect_model(folder.path_of("m.gguf"));
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->summary.n_params, 40 + 8 * 96 + 96);
  EXPECT_EQ(model->summary.n_active_params, 40 + 2 * 96 + 96);
  EXPECT_EQ(model->summary.n_mtp_params, 96);
  EXPECT_EQ(model->summary.n_layers, 1);
}

TEST(Inspect, PrintsATableAndJson) {
  const std::string path = tiny("v3_yarn_f32");
  const CommandOutcome table = run_r1({"inspect", path.c_str(), "--tensors"});
  EXPECT_EQ(table.status, 0);
  EXPECT_NE(table.out.find("model.embed_tokens.weight"), std::string::npos);
  EXPECT_NE(table.out.find("16 routed, 4 per token"), std::string::npos);
  const CommandOutcome json = run_r1({"inspect", path.c_str(), "--json"});
  EXPECT_EQ(json.status, 0);
  EXPECT_EQ(json.out.front(), '{');
  EXPECT_NE(json.out.find("\"active_parameters\": 229896"), std::string::npos);
  EXPECT_EQ(run_r1({"inspect"}).status, 2);
}

TEST(Inspect, SaysWhetherItRunsAndWhyNot) {
  const TempFolder folder;
  ASSERT_TRUE(synthesize({.shape = "tiny-deepseek", .type = "q4_0"}, folder.path_of("m.gguf")).ok());
  const auto good = inspect_model(folder.path_of("m.gguf"));
  EXPECT_EQ(good->summary.obstacle, "");
  EXPECT_EQ(good->summary.template_family, "deepseek-r1");
  GgufBytes bytes;
  bytes.header(0, 1).key("general.architecture", GgufType::kString).text("gemma");
  const auto other = inspect_model(folder.write("other.gguf", bytes.string()));
  ASSERT_TRUE(other.ok());
  EXPECT_NE(other->summary.obstacle.find("gemma"), std::string::npos) << other->summary.obstacle;
}

TEST(Inspect, BrokenFilesGiveOneLineAndStatus1) {
  const TempFolder folder;
  GgufBytes huge, overflow, beyond, zero_experts;
  huge.header(std::uint64_t{1} << 60, std::uint64_t{1} << 60).data(100, 0);
  overflow.header(1, 0).tensor("w", {std::uint64_t{1} << 40, std::uint64_t{1} << 40}, 0, 0).data(100, 0);
  beyond.header(1, 0).tensor("w", {4}, 0, std::uint64_t{1} << 50).data(100, 0);
  for (const GgufBytes& bytes : {huge, overflow, beyond, GgufBytes()}) {
    const std::string path = folder.write("evil.gguf", bytes.string());
    const CommandOutcome outcome = run_r1({"inspect", path.c_str()});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.substr(0, 4), "r1: ");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_NE(outcome.err.find("evil.gguf"), std::string::npos);
  }
}

TEST(Inspect, TextFromAFileCannotSteerTheTerminal) {
  GgufBytes bytes;
  bytes.header(0, 2).key("general.name", GgufType::kString).text("\x1b[2Jname\nnext");
  bytes.key("tokenizer.chat_template", GgufType::kString).text("\x1b]0;title\x07");
  const TempFolder folder;
  const std::string path = folder.write("m.gguf", bytes.string());
  const CommandOutcome outcome = run_r1({"inspect", path.c_str()});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(outcome.out.find('\x07'), std::string::npos);
}

}  // namespace
}  // namespace r1
