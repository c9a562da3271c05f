// weight_rounding_test.cpp: rounding keeps to BF16's numbers, in the mean to the value, and to the same bits
// everywhere.
#include "train/weight_rounding.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "train/shapes.h"

namespace r1 {
namespace {

TrainedModel a_model() { return {trained_shape("nano-0.15m", 96).value(), 5}; }

bool is_bf16(float value) { return (std::bit_cast<std::uint32_t>(value) & 0xffff) == 0; }

TEST(WeightRounding, MatricesBecomeOneOfTheTwoNeighboursAndVectorsStay) {
  for (const WeightFormat format : {WeightFormat::kBF16, WeightFormat::kBF16Nearest}) {
    TrainedModel model = a_model();
    for (float& v : model.trained_values()) v += 1e-4f;  // norms too have low bits now
    const std::vector<float> before(model.values().begin(), model.values().end());
    ThreadPool pool(2);
    round_weights(pool, model, format, 3, 1);
    for (const ParameterTensor& p : model.parameters()) {
      for (std::int64_t i = p.offset; i < p.offset + p.shape.n_values(); ++i) {
        const float was = before[static_cast<std::size_t>(i)], now = model.values()[static_cast<std::size_t>(i)];
        if (!p.is_matrix) {
          ASSERT_EQ(now, was) << p.name;
          continue;
        }
        ASSERT_TRUE(is_bf16(now)) << p.name;
        const float down = std::bit_cast<float>(std::bit_cast<std::uint32_t>(was) & 0xffff0000u);
        const float up = std::bit_cast<float>((std::bit_cast<std::uint32_t>(was) & 0xffff0000u) + 0x10000u);
        ASSERT_TRUE(now == down || now == up) << was << " became " << now;
        if (format == WeightFormat::kBF16Nearest) {
          ASSERT_EQ(now, bf16_to_f32(f32_to_bf16(was)));
        }
      }
    }
  }
}

// A quarter of the way to the next number: up in a quarter of the draws, and another quarter in another step.
TEST(WeightRounding, IsRightInTheMean) {
  TrainedModel model = a_model();
  ThreadPool pool(2);
  std::vector<float> first;
  for (const std::int64_t step : {1, 2}) {
    const float low = 1.0f, high = 1.0078125f;
    for (float& v : model.trained_values()) v = low + 0.25f * (high - low);
    round_weights(pool, model, WeightFormat::kBF16, 3, step);
    std::int64_t n = 0, n_up = 0;
    for (const ParameterTensor& p : model.trained_tensors()) {
      if (!p.is_matrix) continue;
      n += p.shape.n_values();
      for (std::int64_t i = p.offset; i < p.offset + p.shape.n_values(); ++i)
        n_up += model.values()[static_cast<std::size_t>(i)] == high ? 1 : 0;
    }
    const double share = static_cast<double>(n_up) / static_cast<double>(n);
    EXPECT_NEAR(share, 0.25, 4 * std::sqrt(0.25 * 0.75 / static_cast<double>(n)));
    if (step == 1) first.assign(model.values().begin(), model.values().end());
  }
  EXPECT_NE(std::memcmp(first.data(), model.values().data(), first.size() * 4), 0);
}

TEST(WeightRounding, ThreadsChangeNoBit) {
  TrainedModel one = a_model(), four = a_model();
  ThreadPool alone(1), together(4);
  round_weights(alone, one, WeightFormat::kBF16, 3, 7);
  round_weights(together, four, WeightFormat::kBF16, 3, 7);
  EXPECT_EQ(std::memcmp(one.values().data(), four.values().data(), one.values().size() * 4), 0);
}

TEST(WeightRounding, WhatIsNoNumberStaysNone) {
  TrainedModel model = a_model();
  model.values()[0] = INFINITY, model.values()[1] = NAN;
  ThreadPool pool(1);
  for (const WeightFormat format : {WeightFormat::kBF16, WeightFormat::kBF16Nearest}) {
    round_weights(pool, model, format, 3, 1);
    EXPECT_TRUE(std::isinf(model.values()[0]) && std::isnan(model.values()[1]));
  }
}

}  // namespace
}  // namespace r1
