// training_golden_test.cpp: logits, losses, gradients and ten steps of AdamW against PyTorch's in float64
// (tools/golden/make_training_goldens.py says what tests/golden/training holds).
#include <cmath>
#include <cstring>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "formats/safetensors.h"
#include "model/forward.h"
#include "model/tensor_table.h"
#include "train/trainer.h"

namespace r1 {
namespace {

using Tensors = std::map<std::string, std::vector<float>>;

Tensors read_tensors(const std::string& path) {
  const SafetensorsFile file = SafetensorsFile::open(path).value();
  Tensors tensors;
  for (const StoredTensor& stored : file.tensors()) {
    std::vector<float>& values = tensors[stored.name];
    values.resize(static_cast<std::size_t>(stored.shape.n_values()));
    std::memcpy(values.data(), stored.data, values.size() * sizeof(float));
  }
  return tensors;
}

// Hugging Face's names of what the trainer keeps under one GGUF name: an expert's matrices are stacked.
std::map<std::string, std::vector<std::string>> hf_names(const ModelConfig& c) {
  std::map<std::string, std::vector<std::string>> names = {
      {std::string(kGgufNames.embed), {std::string(kHfNames.embed)}},
      {std::string(kGgufNames.norm), {std::string(kHfNames.norm)}},
      {std::string(kGgufNames.head), {std::string(kHfNames.head)}}};
  for (int layer = 0; layer < c.n_layers + c.n_mtp_layers; ++layer) {
    for (const TensorSpec& spec : layer_tensors())
      names[gguf_layer_name(layer, spec.gguf)] = {hf_layer_name(layer, spec.hf)};
    for (const ExpertSpec& spec : expert_tensors()) {
      for (int expert = 0; expert < c.route.n_routed_experts; ++expert)
        names[gguf_layer_name(layer, spec.gguf)].push_back(hf_expert_name(layer, expert, spec.hf));
    }
  }
  return names;
}

class TrainingGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string folder = std::string(R1_SOURCE_DIR "/tests/golden/training/") + GetParam();
    golden_ = read_json_file(folder + "/golden.json").value();
    weights_ = read_tensors(folder + "/model.safetensors");
    expected_ = read_tensors(folder + "/expected.safetensors");
    config_ = config_from_hf(read_json_file(folder + "/config.json").value()).value();
    for (const Json& sequence : golden_["sequences"]) {
      examples_.push_back({.tokens = sequence["tokens"].get<std::vector<int>>(),
                           .coefficients = sequence["coefficients"].get<std::vector<float>>()});
    }
    mtp_weight_ = golden_.value("mtp_weight", 0.0f);
    names_ = hf_names(config_);
  }

  // The numbers of `parameter`, from tensors named prefix + its name in Hugging Face's layout.
  std::vector<float> gather(const ParameterTensor& parameter, const Tensors& tensors,
                            const std::string& prefix = "") const {
    std::vector<float> values;
    for (const std::string& name : names_.at(parameter.name)) {
      const std::vector<float>& part = tensors.at(prefix + name);
      values.insert(values.end(), part.begin(), part.end());
    }
    return values;
  }

  TrainedModel model() const {
    TrainedModel model(config_, 1);
    for (const ParameterTensor& parameter : model.parameters()) {
      const std::vector<float> values = gather(parameter, weights_);
      EXPECT_EQ(static_cast<std::int64_t>(values.size()), parameter.shape.n_values()) << parameter.name;
      std::copy(values.begin(), values.end(), model.values().begin() + parameter.offset);
    }
    return model;
  }

  ModelConfig config_;
  Json golden_;
  float mtp_weight_ = 0;
  Tensors weights_, expected_;
  std::vector<Example> examples_;
  std::map<std::string, std::vector<std::string>> names_;
};

TEST_P(TrainingGolden, LogitsOfAllRowsMatch) {
  const TrainedModel trained = model();
  std::vector<Example> all = examples_;
  for (Example& example : all) example.coefficients.assign(example.tokens.size(), 1.0f);
  const PackedBatch packed(all);
  const Batch batch = packed.view();
  ThreadPool pool(1);
  Arena arena;
  KvCache kv(config_.kv_layout(Dtype::kF32), packed.n_blocks());
  Pass pass{.pool = pool, .arena = arena, .batch = batch, .kv = kv};
  const Tensor logits = Forward(config_, trained.model().weights)(pass);
  const std::vector<float>& expected = expected_.at("logits");
  ASSERT_EQ(logits.shape.n_values(), static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(logits.row(0)[i], expected[i], 1e-4f) << i;
}

TEST_P(TrainingGolden, LossesMatch) {
  TrainedModel trained = model();
  const StepStats stats = Trainer(trained, {.n_shares = 2}).step(examples_, {.mtp_weight = mtp_weight_});
  EXPECT_NEAR(stats.loss, golden_["loss"].get<double>(), 1e-5);
  EXPECT_NEAR(stats.mtp_loss, golden_.value("mtp_loss", 0.0), 1e-5);
}

// Of a folder as DeepSeek publishes them: the module's copies of embedding and head are there, and not needed.
TEST(MtpGolden, LogitsOfTheTokenAfterTheNextMatch) {
  const std::string folder = R1_SOURCE_DIR "/tests/golden/training/deepseek_mtp";
  const Model model = load_model(folder).value();
  const Json golden = read_json_file(folder + "/golden.json").value();
  std::vector<Example> all;
  for (const Json& sequence : golden["sequences"]) {
    const auto tokens = sequence["tokens"].get<std::vector<int>>();
    all.push_back({.tokens = tokens, .coefficients = std::vector<float>(tokens.size(), 1.0f)});
  }
  const PackedBatch packed(all);
  const Batch batch = packed.view();
  ThreadPool pool(1);
  Arena arena;
  KvCache kv(model.config.kv_layout(Dtype::kF32, true), packed.n_blocks());
  Pass pass{.pool = pool, .arena = arena, .batch = batch, .kv = kv};
  const Forward forward(model.config, model.weights);
  ASSERT_TRUE(forward.has_mtp());
  const PackedBatch::Mtp mtp = packed.mtp();
  const Tensor logits = forward.predict_second(pass, forward.hidden(pass), mtp.next_ids, mtp.logits_rows);
  const Tensors all_expected = read_tensors(folder + "/expected.safetensors");
  const std::vector<float>& expected = all_expected.at("mtp_logits");
  ASSERT_EQ(logits.shape.n_values(), static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(logits.row(0)[i], expected[i], 1e-4f) << i;
}

TEST_P(TrainingGolden, GradientsOfEveryTensorMatch) {
  TrainedModel trained = model();
  Trainer trainer(trained, {.n_shares = 2, .balance_alpha = 0});
  trainer.step(examples_, {.mtp_weight = mtp_weight_});
  for (const ParameterTensor& parameter : trained.parameters()) {
    if (parameter.offset >= trained.n_trained()) break;
    const std::vector<float> expected = gather(parameter, expected_, "gradient.");
    double difference = 0, length = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double got = trainer.gradients()[static_cast<std::size_t>(parameter.offset) + i];
      difference += (got - expected[i]) * (got - expected[i]);
      length += double{expected[i]} * expected[i];
    }
    ASSERT_GT(length, 0) << parameter.name;
    EXPECT_LT(std::sqrt(difference / length), 1e-4) << parameter.name;
  }
}

TEST_P(TrainingGolden, LossesOfTenStepsMatch) {
  const Json& adamw = golden_["adamw"];
  TrainedModel trained = model();
  Trainer trainer(trained, {.n_shares = 2,
                            .optimizer = {.adamw = {.beta1 = adamw["beta1"].get<float>(),
                                                    .beta2 = adamw["beta2"].get<float>(),
                                                    .eps = adamw["eps"].get<float>(),
                                                    .weight_decay = adamw["weight_decay"].get<float>(),
                                                    .clip_norm = adamw["clip_norm"].get<float>()}},
                            .balance_alpha = 0});
  const auto losses = adamw["losses"].get<std::vector<double>>(),
             norms = adamw["gradient_norms"].get<std::vector<double>>();
  ASSERT_EQ(losses.size(), norms.size() + 1);
  for (std::size_t step = 0; step < losses.size(); ++step) {
    const StepStats stats =
        trainer.step(examples_, {.learning_rate = adamw["learning_rate"].get<float>(), .mtp_weight = mtp_weight_});
    EXPECT_NEAR(stats.loss + double{mtp_weight_} * stats.mtp_loss, losses[step], 1e-4) << "step " << step;
    if (step == norms.size()) break;  // behind the last step there is only its loss
    EXPECT_NEAR(stats.gradient_norm, norms[step], 1e-4 * norms[step]) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(PyTorch, TrainingGolden,
                         testing::Values("deepseek_full_q", "deepseek_low_rank_q", "deepseek_mtp", "qwen2", "llama"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace r1
