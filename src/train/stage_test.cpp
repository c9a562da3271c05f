// stage_test.cpp: a stage that is stopped anywhere goes on to the same bits.
#include "train/stage.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "base/file.h"
#include "base/temp_folder_for_tests.h"
#include "train/bpe_trainer.h"
#include "train/checkpoint.h"
#include "train/learner.h"
#include "train/tokenizer_corpus.h"

namespace r1 {
namespace {

class StageTest : public testing::Test {
 protected:
  StageTest() {
    auto trainer = BpeTrainer::make();
    EXPECT_TRUE(trainer.ok());
    for_each_task_text(Split::kTrain, 50, [&](std::string_view text) { trainer.value().add(text); });
    const auto vocabulary = trainer.value().train(512);
    EXPECT_TRUE(vocabulary.ok());
    EXPECT_TRUE(write_file_atomically(vocabulary_path(), vocabulary_json(vocabulary.value())).ok());
  }

  std::string vocabulary_path() const { return folder_.path_of("vocabulary.json"); }
  std::string folder(std::string_view name) const { return folder_.path_of(std::string(name)); }

  // Ends after n more steps, as if it had been asked to; n < 0: at its end.
  Result<bool> run(StageKind kind, const std::string& text, const std::string& folder, int n_steps = -1,
                   int n_workers = 2) {
    const auto config = read_stage_config(kind, text, "test");
    if (!config.ok()) return config.error();
    const auto is_stopped = [&] { return n_steps-- == 0; };
    const auto ignore = [](const StageProgress&) {};
    return run_stage({.config = config.value(),
                      .config_text = text,
                      .folder = folder,
                      .n_workers = n_workers,
                      .is_stopped = is_stopped,
                      .on_progress = ignore});
  }

  void expect_same_run(const std::string& a, const std::string& b) {
    const auto first = load_checkpoint(checkpoint_path(a)), second = load_checkpoint(checkpoint_path(b));
    ASSERT_TRUE(first.ok()) << first.error().message;
    ASSERT_TRUE(second.ok()) << second.error().message;
    EXPECT_TRUE(first.value().arrays == second.value().arrays);  // weights, moments, reference policy: every bit
    const auto without_time = [](const std::string& path) {
      std::string text;
      std::ifstream in(path + "/metrics.jsonl");
      for (std::string line; std::getline(in, line);) {
        const auto at = line.find("\"seconds\""), end = line.find(',', at);
        text += line.substr(0, at) + line.substr(end) + "\n";
      }
      return text;
    };
    EXPECT_EQ(without_time(a), without_time(b));
    EXPECT_FALSE(without_time(a).empty());
  }

  // Whether a step had a gradient. Answers of random weights earn something by ending without a word.
  static bool has_learnt(const std::string& folder) {
    std::ifstream in(folder + "/metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      const std::string key = "\"gradient_norm\":";
      const std::size_t at = line.find(key);
      if (at != line.npos && std::stod(line.substr(at + key.size())) > 0) return true;
    }
    return false;
  }

  void expect_same_bits_after_a_stop(StageKind kind, const std::string& text) {
    ASSERT_TRUE(run(kind, text, folder("whole")).value());
    ASSERT_FALSE(run(kind, text, folder("parts"), 3).value());
    ASSERT_FALSE(run(kind, text, folder("parts"), 2, 1).value());  // with another number of workers
    ASSERT_TRUE(run(kind, text, folder("parts")).value());
    expect_same_run(folder("whole"), folder("parts"));
  }

  std::string begin() const { return fmt::format(R"("shape": "nano-0.15m", "tokenizer": "{}")", vocabulary_path()); }

 private:
  TempFolder folder_;
};

TEST_F(StageTest, PretrainingResumesToTheSameBits) {
  expect_same_bits_after_a_stop(
      StageKind::kPretrain,
      "{" + begin() + R"(, "steps": 8, "tokens_per_step": 600, "learning_rate": 1e-3, "log_every": 1})");
}

TEST_F(StageTest, MuonResumesToTheSameBits) {
  expect_same_bits_after_a_stop(
      StageKind::kPretrain,
      "{" + begin() +
          R"(, "steps": 8, "tokens_per_step": 600, "learning_rate": 1e-3, "log_every": 1, "optimizer": "muon"})");
}

TEST_F(StageTest, RoundedWeightsResumeToTheSameBits) {
  const std::string text =
      "{" + begin() +
      R"(, "steps": 8, "tokens_per_step": 600, "learning_rate": 1e-3, "log_every": 1, "weights": "bf16"})";
  expect_same_bits_after_a_stop(StageKind::kPretrain, text);
}

TEST_F(StageTest, MultiTokenPredictionResumesToTheSameBits) {
  const std::string text = fmt::format(R"({{"shape": "nano-0.15m+mtp", "tokenizer": "{}", "mtp_weight": 0.3, "steps": 8,
        "tokens_per_step": 600, "learning_rate": 1e-3, "log_every": 1}})",
                                       vocabulary_path());
  expect_same_bits_after_a_stop(StageKind::kPretrain, text);
  const std::string metrics = read_file(folder("whole") + "/metrics.jsonl", 1 << 20).value();
  EXPECT_NE(metrics.find("\"mtp_loss\""), std::string::npos) << metrics;
}

TEST_F(StageTest, AdaptersResumeToTheSameBits) {
  ASSERT_TRUE(run(StageKind::kSft, "{" + begin() + R"(, "steps": 2, "tokens_per_step": 200})", folder("base")).value());
  const std::string with = fmt::format(
      R"({{"from": "{}", "steps": 7, "learning_rate": 1e-2, "log_every": 1, "lora": {{"rank": 2, "targets": ["attention", "experts"]}})",
      checkpoint_path(folder("base")));
  expect_same_bits_after_a_stop(StageKind::kSft, with + R"(, "tokens_per_step": 400})");
  const auto base = load_checkpoint(checkpoint_path(folder("base"))),
             last = load_checkpoint(checkpoint_path(folder("whole")));
  EXPECT_FALSE(last.value().arrays.contains("values"));
  EXPECT_LT(last.value().arrays.at("lora").size(), base.value().arrays.at("values").size() / 4);
  EXPECT_EQ(last.value().arrays.at("v").size(), last.value().arrays.at("lora").size());
  std::filesystem::remove_all(folder("whole"));
  std::filesystem::remove_all(folder("parts"));
  expect_same_bits_after_a_stop(StageKind::kGrpo,
                                with + R"(, "grpo": {"prompts": 3, "samples": 16, "max_tokens": 16, "kl_weight": 0.01,
      "refresh_reference": 4, "minibatches": 2, "language_weight": 1}})");
  EXPECT_TRUE(has_learnt(folder("whole")));
}

// Of a run with adapters comes one model, base and adapters in one; what follows it and export read no other.
TEST_F(StageTest, AdaptersAreAddedToTheirBaseAndToNoOther) {
  const std::string begun = "{" + begin() + R"(, "tokens_per_step": 200, "steps": )";
  ASSERT_TRUE(run(StageKind::kSft, begun + "2}", folder("base")).value());
  const std::string text = fmt::format(R"({{"from": "{}", "steps": 2, "tokens_per_step": 200, "lora": {{}}}})",
                                       checkpoint_path(folder("base")));
  ASSERT_TRUE(run(StageKind::kSft, text, folder("lora")).value());
  ASSERT_FALSE(run(StageKind::kSft, text, folder("lora-parts"), 1).value());
  const auto base = load_saved_model(checkpoint_path(folder("base"))),
             saved = load_saved_model(checkpoint_path(folder("lora")));
  ASSERT_TRUE(saved.ok()) << saved.error().message;
  EXPECT_EQ(saved.value().values.size(), base.value().values.size());
  EXPECT_NE(saved.value().values, base.value().values);
  const std::string next =
      fmt::format(R"({{"from": "{}", "steps": 1, "tokens_per_step": 200}})", checkpoint_path(folder("lora")));
  ASSERT_TRUE(run(StageKind::kSft, next, folder("next")).value());

  std::filesystem::remove_all(folder("base"));
  ASSERT_TRUE(run(StageKind::kSft, begun + "3}", folder("base")).value());
  const auto other = load_saved_model(checkpoint_path(folder("lora")));
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message.find("have changed"), std::string::npos) << other.error().message;
  const auto resumed = run(StageKind::kSft, text, folder("lora-parts"));
  ASSERT_FALSE(resumed.ok()) << "its adapters are of the base before";
  EXPECT_NE(resumed.error().message.find("have changed"), std::string::npos) << resumed.error().message;
}

TEST_F(StageTest, LogitDistillationResumesToTheSameBits) {
  ASSERT_TRUE(
      run(StageKind::kSft, "{" + begin() + R"(, "steps": 2, "tokens_per_step": 200})", folder("teacher")).value());
  const std::string text = fmt::format(
      R"({{"shape": "student-llama", "tokenizer": "{}", "teacher": "{}", "teacher_weight": 0.7, "steps": 7,
          "tokens_per_step": 400, "learning_rate": 1e-3, "log_every": 1, "recompute": true}})",
      vocabulary_path(), checkpoint_path(folder("teacher")));
  expect_same_bits_after_a_stop(StageKind::kDistill, text);
  const std::string metrics = read_file(folder("whole") + "/metrics.jsonl", 1 << 20).value();
  EXPECT_NE(metrics.find("\"divergence\""), std::string::npos) << metrics;
}

TEST_F(StageTest, ATeacherOfOtherTokensIsRefused) {
  ASSERT_TRUE(
      run(StageKind::kSft, "{" + begin() + R"(, "steps": 1, "tokens_per_step": 200})", folder("teacher")).value());
  Vocabulary other = parse_vocabulary(read_file(vocabulary_path(), 1 << 26).value(), "test").value();
  std::swap(other.tokens[300], other.tokens[301]);
  ASSERT_TRUE(write_file_atomically(folder("other.json"), vocabulary_json(other)).ok());
  const auto begun = run(StageKind::kDistill,
                         fmt::format(R"({{"shape": "student-llama", "tokenizer": "{}", "teacher": "{}"}})",
                                     folder("other.json"), checkpoint_path(folder("teacher"))),
                         folder("student"));
  ASSERT_FALSE(begun.ok());
  EXPECT_NE(begun.error().message.find("another vocabulary"), std::string::npos) << begun.error().message;
}

TEST_F(StageTest, MultiTokenPredictionNeedsItsLayer) {
  const auto begun = run(StageKind::kSft, "{" + begin() + R"(, "steps": 2, "mtp_weight": 0.3})", folder("a"));
  ASSERT_FALSE(begun.ok());
  EXPECT_NE(begun.error().message.find("nano-0.15m+mtp"), std::string::npos) << begun.error().message;
}

TEST_F(StageTest, ReinforcementResumesToTheSameBits) {
  expect_same_bits_after_a_stop(StageKind::kGrpo,
                                "{" + begin() + R"(, "steps": 7, "learning_rate": 1e-3, "log_every": 1,
        "grpo": {"prompts": 3, "samples": 16, "max_tokens": 16, "kl_weight": 0.01, "refresh_reference": 4, "minibatches": 2,
                 "language_weight": 1}})");
  EXPECT_TRUE(has_learnt(folder("whole")));
}

TEST_F(StageTest, AKilledRunGoesOnFromItsCheckpoint) {
  const std::string text =
      "{" + begin() +
      R"(, "steps": 60, "tokens_per_step": 400, "learning_rate": 1e-3, "log_every": 1, "save_every_seconds": 1})";
  ASSERT_TRUE(run(StageKind::kSft, text, folder("whole")).value());
  for (const int milliseconds : {150, 700, 1300}) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      (void)run(StageKind::kSft, text, folder("killed"));
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(milliseconds) * 1000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  ASSERT_TRUE(run(StageKind::kSft, text, folder("killed")).value());
  expect_same_run(folder("whole"), folder("killed"));
}

TEST_F(StageTest, AnotherConfigurationIsRefused) {
  const std::string text = "{" + begin() + R"(, "steps": 3, "tokens_per_step": 200})";
  ASSERT_TRUE(run(StageKind::kSft, text, folder("a")).value());
  const auto other = run(StageKind::kSft, "{" + begin() + R"(, "steps": 4, "tokens_per_step": 200})", folder("a"));
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message.find("another configuration"), std::string::npos) << other.error().message;
}

TEST_F(StageTest, DamagedCheckpointsAreRefused) {
  const std::string text = "{" + begin() + R"(, "steps": 2, "tokens_per_step": 200})";
  ASSERT_TRUE(run(StageKind::kSft, text, folder("a")).value());
  const std::string path = checkpoint_path(folder("a"));
  const std::string whole = read_file(path, 1 << 26).value();
  for (const std::size_t at : {std::size_t{0}, std::size_t{9}, std::size_t{40}, whole.size() / 2, whole.size() - 1}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    ASSERT_TRUE(write_file_atomically(path, damaged).ok());
    EXPECT_FALSE(load_checkpoint(path).ok()) << "byte " << at;
  }
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{20}, whole.size() - 1}) {
    ASSERT_TRUE(write_file_atomically(path, whole.substr(0, length)).ok());
    EXPECT_FALSE(load_checkpoint(path).ok()) << length << " bytes";
  }
}

TEST(StageConfig, TheWeightOfMultiTokenPredictionFallsOnce) {
  const auto config =
      read_stage_config(StageKind::kPretrain,
                        R"({"shape": "nano-1m+mtp", "tokenizer": "x", "steps": 30, "mtp_weight": 0.3})", "test.json");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_FLOAT_EQ(config.value().mtp_weight_at(0), 0.3f);
  EXPECT_FLOAT_EQ(config.value().mtp_weight_at(19), 0.3f);
  EXPECT_FLOAT_EQ(config.value().mtp_weight_at(20), 0.1f);
}

TEST(StageConfig, SaysWhatIsWrong) {
  const auto message = [](StageKind kind, std::string_view json) {
    const auto config = read_stage_config(kind, json, "test.json");
    return config.ok() ? std::string() : config.error().message;
  };
  const std::string begin = R"({"shape": "nano-1m", "tokenizer": "x")";
  EXPECT_EQ(message(StageKind::kSft, begin + "}"), "");
  EXPECT_NE(message(StageKind::kSft, begin + R"(, "stepps": 3})").find("stepps is no key"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, begin + R"(, "steps": 1.5})").find("whole number"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, begin + R"(, "steps": -1})").find("steps is -1"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, begin + R"(, "tasks": {"chess": 1}})").find("chess"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, begin + R"(, "grpo": {}})").find("grpo is no key"), std::string::npos);
  EXPECT_NE(message(StageKind::kGrpo, begin + R"(, "grpo": {"samples": 1}})").find("grpo.samples"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, begin + R"(, "optimizer": "sgd"})").find("'sgd'"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, begin + R"(, "lora": {}})").find("name 'from'"), std::string::npos);
  const std::string from = R"({"from": "x")";
  EXPECT_EQ(message(StageKind::kSft, from + R"(, "lora": {"rank": 4, "targets": ["attn_q"]}})"), "");
  EXPECT_NE(message(StageKind::kSft, from + R"(, "lora": {"rank": 0}})").find("lora.rank"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, from + R"(, "lora": {"targets": "all"}})").find("lora.targets"),
            std::string::npos);
  EXPECT_NE(message(StageKind::kSft, from + R"(, "lora": {}, "balance_speed": 0.1})").find("balance_speed"),
            std::string::npos);
  EXPECT_NE(message(StageKind::kSft, from + R"(, "lora": {}, "optimizer": "muon"})").find("muon"), std::string::npos);
  EXPECT_NE(message(StageKind::kDistill, begin + "}").find("'teacher'"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, begin + R"(, "teacher": "x"})").find("teacher is no key"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, begin + R"(, "weights": "fp8"})").find("'fp8'"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, "{}").find("shape"), std::string::npos);
  EXPECT_NE(message(StageKind::kSft, "[]").find("object"), std::string::npos);
}

}  // namespace
}  // namespace r1
