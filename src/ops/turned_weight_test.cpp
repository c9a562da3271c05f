// turned_weight_test.cpp: what is turned is the same matrix to half a step of 8 bits.
#include "ops/turned_weight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "ops/linear.h"

namespace r1 {
namespace {

// A matrix of normal numbers in `dtype`, and what the format made of them.
struct StoredMatrix {
  std::vector<std::byte> bytes;
  Weight weight;
  std::vector<float> values;

  StoredMatrix(Dtype dtype, std::int64_t n_rows, std::int64_t n_cols)
      : bytes(static_cast<std::size_t>(n_rows * bytes_of(dtype, n_cols))),
        weight{.data = bytes.data(), .dtype = dtype, .shape = {n_rows, n_cols}},
        values(static_cast<std::size_t>(n_rows * n_cols)) {
    Rng rng(5, 1);
    for (float& value : values) value = rng.normal();
    kernels(dtype).quantize(values.data(), bytes.data(), weight.shape.n_values());
    dequantize_rows(weight, values.data());
  }
  float at(std::int64_t row, std::int64_t col) const {
    return values[static_cast<std::size_t>(row * weight.n_cols() + col)];
  }
};

TEST(TurnedWeight, HasTheColumnsAsRowsToHalfAStep) {
  for (const auto& [dtype, n_rows, n_cols] :
       {std::tuple{Dtype::kQ8_0, 32, 32}, {Dtype::kQ8_0, 512, 128}, {Dtype::kQ4_0, 64, 96}, {Dtype::kQ6_K, 96, 256}}) {
    const StoredMatrix stored(dtype, n_rows, n_cols);
    std::vector<float> scratch(static_cast<std::size_t>(turned_floats(n_rows, n_cols)));
    ASSERT_TRUE(can_be_turned(stored.weight));
    const Weight turned = turn(stored.weight, scratch.data());
    ASSERT_EQ(turned.shape, (Shape{n_cols, n_rows}));
    std::vector<float> values(stored.values.size());
    dequantize_rows(turned, values.data());
    for (std::int64_t col = 0; col < n_cols; ++col) {
      for (std::int64_t first = 0; first < n_rows; first += 32) {
        float largest = 0;
        for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(stored.at(first + i, col)));
        // Half a step of the largest / 127, and the scale's own rounding to half floats.
        const float bound = largest * (0.5f / 127.0f + 0x1p-10f);
        for (int i = 0; i < 32; ++i) {
          ASSERT_NEAR(values[static_cast<std::size_t>(col * n_rows + first + i)], stored.at(first + i, col), bound);
        }
      }
    }
  }
}

TEST(TurnedWeight, PlainFloatsAndPartsOfBlocksStayAsTheyAre) {
  EXPECT_FALSE(can_be_turned({.dtype = Dtype::kF16, .shape = {64, 64}}));
  EXPECT_FALSE(can_be_turned({.dtype = Dtype::kF32, .shape = {64, 64}}));
  EXPECT_FALSE(can_be_turned({.dtype = Dtype::kQ8_0, .shape = {48, 64}}));
  EXPECT_EQ(turned_floats(48, 64), 48 * 64) << "its values";
}

}  // namespace
}  // namespace r1
