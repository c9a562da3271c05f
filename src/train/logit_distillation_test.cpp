// logit_distillation_test.cpp: the divergence and its gradient against both written out in double.
#include "train/logit_distillation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "train/examples_for_tests.h"
#include "train/shapes.h"
#include "train/trainer.h"

namespace r1 {
namespace {

std::vector<double> log_softmax(const float* logits, double temperature, int n) {
  double best = -1e300, sum = 0;
  for (int i = 0; i < n; ++i) best = std::max(best, logits[i] / temperature);
  for (int i = 0; i < n; ++i) sum += std::exp(logits[i] / temperature - best);
  std::vector<double> result;
  for (int i = 0; i < n; ++i) result.push_back(logits[i] / temperature - best - std::log(sum));
  return result;
}

// A pass without a model: rows of logits of a student and a teacher.
struct Rows {
  static constexpr int kRows = 37, kTokens = 53;

  Rows() {
    Rng rng(2, 0);
    for (float& v : student) v = 3 * rng.normal();
    for (float& v : teacher) v = 3 * rng.normal();
    for (float& v : coefficients) v = rng.normal();
    coefficients[5] = 0;
  }
  std::vector<float> divergences(float temperature) {
    gradient.assign(student.size(), 0.0f);
    return add_divergence(pass, {student.data(), {kRows, kTokens}, gradient.data()}, {teacher.data(), {kRows, kTokens}},
                          coefficients, temperature);
  }

  std::vector<float> student = std::vector<float>(kRows * kTokens), teacher = student, gradient;
  std::vector<float> coefficients = std::vector<float>(kRows);
  ThreadPool pool{2};
  Arena arena;
  Batch batch;
  KvCache kv{{.n_layers = 1, .k_width = 16, .v_width = 16, .dtype = Dtype::kF32}, 1};
  Pass pass{.pool = pool, .arena = arena, .batch = batch, .kv = kv};
};

TEST(LogitDistillation, EqualsDivergenceAndGradientInDouble) {
  for (const double temperature : {1.0, 0.5, 3.0}) {
    Rows rows;
    const std::vector<float> divergences = rows.divergences(static_cast<float>(temperature));
    for (int row = 0; row < Rows::kRows; ++row) {
      const auto first = static_cast<std::size_t>(row * Rows::kTokens), at = static_cast<std::size_t>(row);
      const auto p = log_softmax(rows.student.data() + first, temperature, Rows::kTokens);
      const auto q = log_softmax(rows.teacher.data() + first, temperature, Rows::kTokens);
      double divergence = 0;
      for (std::size_t i = 0; i < p.size(); ++i) divergence += std::exp(q[i]) * (q[i] - p[i]);
      EXPECT_NEAR(divergences[at], divergence, 2e-5 * (1 + divergence)) << row << " at " << temperature;
      for (std::size_t i = 0; i < p.size(); ++i) {
        // temperature^2 * d KL / d logit = temperature * (p - q)
        const double expected = rows.coefficients[at] * temperature * (std::exp(p[i]) - std::exp(q[i]));
        ASSERT_NEAR(rows.gradient[first + i], expected, 2e-6 * (1 + std::fabs(expected))) << row << ", " << i;
      }
    }
  }
}

TEST(LogitDistillation, AStudentThatIsTheTeacherHasNothingToLearn) {
  Rows rows;
  rows.teacher = rows.student;
  for (const float divergence : rows.divergences(2.0f)) EXPECT_NEAR(divergence, 0, 1e-5);
  for (const float g : rows.gradient) ASSERT_EQ(g, 0.0f);
}

std::vector<Example> taught_examples() {
  std::vector<Example> examples(4);
  Rng rng(3, 0);
  for (Example& example : examples) {
    for (int i = 0; i < 30; ++i) example.tokens.push_back(static_cast<int>(rng.below(kVocabulary)));
    example.coefficients.assign(30, 1.0f / (4 * 29));
  }
  return examples;
}

TrainedModel lively(std::string_view shape, std::uint64_t seed) {
  TrainedModel model(trained_shape(shape, kVocabulary).value(), seed);
  for (float& v : model.values()) v *= 1.5f;
  return model;
}

// A dense student, a teacher with experts: gradients of the mixed loss are the mix of the two losses' gradients.
TEST(LogitDistillation, MixesWithTheExamplesOwnLoss) {
  const TrainedModel teacher = lively("nano-0.15m", 4);
  const auto gradients_with = [&](float weight) {
    TrainedModel student = lively("student-llama", 5);
    Trainer trainer(student, {.n_workers = 2, .n_shares = 2, .teacher = &teacher.model()});
    trainer.step(taught_examples(), {.teacher_weight = weight, .teacher_temperature = 2});
    return std::vector<float>(trainer.gradients().begin(), trainer.gradients().end());
  };
  const auto text = gradients_with(0), teaches = gradients_with(1), mixed = gradients_with(0.25f);
  double error = 0, length = 0;
  for (std::size_t i = 0; i < mixed.size(); ++i) {
    const double expected = 0.75 * text[i] + 0.25 * teaches[i];
    error += std::pow(mixed[i] - expected, 2), length += expected * expected;
  }
  EXPECT_LT(std::sqrt(error / length), 1e-5);
}

TEST(LogitDistillation, AStudentComesNearItsTeacher) {
  const TrainedModel teacher = lively("nano-0.15m", 4);
  TrainedModel student(trained_shape("student-llama", kVocabulary).value(), 5);
  Trainer trainer(student, {.n_workers = 2, .optimizer = {.adamw = {.weight_decay = 0}}, .teacher = &teacher.model()});
  const std::vector<Example> examples = taught_examples();
  const double first = trainer.step(examples, {.teacher_weight = 1}).divergence;
  EXPECT_GT(first, 0.1);
  double last = first;
  for (int step = 0; step < 150; ++step)
    last = trainer.step(examples, {.learning_rate = 2e-3f, .teacher_weight = 1}).divergence;
  EXPECT_LT(last, first / 10);
}

}  // namespace
}  // namespace r1
