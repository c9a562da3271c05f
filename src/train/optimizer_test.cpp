// optimizer_test.cpp: the updates against the algorithms written out in double.
#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "train/shapes.h"

namespace r1 {
namespace {

std::vector<float> random_gradient(std::size_t n, std::uint64_t stream) {
  std::vector<float> gradient(n);
  Rng rng(6, stream);
  for (float& g : gradient) g = 0.01f * rng.normal();
  return gradient;
}

TEST(AdamW, EqualsTheAlgorithmInDouble) {
  const AdamWConfig c{.beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-6f, .weight_decay = 0.1f, .clip_norm = 1.0f};
  TrainedModel model(trained_shape("nano-0.15m", 96).value(), 5);
  const auto n = static_cast<std::size_t>(model.n_trained());
  std::vector<double> value(model.values().begin(), model.values().begin() + model.n_trained()), m(n, 0.0), v(n, 0.0);
  std::vector<bool> decays(n, false);
  for (const ParameterTensor& p : model.parameters()) {
    if (p.offset < model.n_trained() && p.is_matrix) std::fill_n(decays.begin() + p.offset, p.shape.n_values(), true);
  }
  const std::vector<float> untrained(model.values().begin() + model.n_trained(), model.values().end());
  Optimizer adamw(model, {.adamw = c});
  ThreadPool pool(2);
  const double learning_rate = 1e-3f;
  for (int t = 1; t <= 5; ++t) {
    const std::vector<float> gradient = random_gradient(n, static_cast<std::uint64_t>(t));
    double squares = 0;
    for (const float g : gradient) squares += double{g} * g;
    const double length = std::sqrt(squares);
    ASSERT_GT(length, 1.0);  // so that clipping is part of the test
    EXPECT_NEAR(adamw.step(pool, model, gradient, 1e-3f), length, 1e-9 * length);
    for (std::size_t i = 0; i < n; ++i) {
      const double g = gradient[i] / length;
      m[i] = 0.9f * m[i] + (1.0 - 0.9f) * g;
      v[i] = 0.98f * v[i] + (1.0 - 0.98f) * g * g;
      const double m_hat = m[i] / (1 - std::pow(double{0.9f}, t)), v_hat = v[i] / (1 - std::pow(double{0.98f}, t));
      if (decays[i]) value[i] -= learning_rate * 0.1f * value[i];
      value[i] -= learning_rate * m_hat / (std::sqrt(v_hat) + 1e-6f);
    }
  }
  for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(model.values()[i], value[i], 1e-6) << i;
  EXPECT_EQ(std::memcmp(untrained.data(), model.values().data() + n, untrained.size() * 4), 0);
}

TEST(AdamW, AGradientWithinTheLimitIsLeftAsItIs) {
  TrainedModel clipped(trained_shape("nano-0.15m", 96).value(), 5), plain(trained_shape("nano-0.15m", 96).value(), 5);
  const std::vector<float> gradient = random_gradient(static_cast<std::size_t>(plain.n_trained()), 1);
  ThreadPool pool(1);
  Optimizer with_limit(clipped, {.adamw = {.clip_norm = 1e3f}}), without(plain, {.adamw = {.clip_norm = 0}});
  with_limit.step(pool, clipped, gradient, 1e-3f);
  without.step(pool, plain, gradient, 1e-3f);
  EXPECT_EQ(std::memcmp(clipped.values().data(), plain.values().data(), gradient.size() * 4), 0);
}

}  // namespace
}  // namespace r1
