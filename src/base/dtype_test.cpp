// dtype_test.cpp: laws of the number formats' table and of the scalar conversions.
#include "base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/float16.h"

namespace r1 {
namespace {

TEST(Dtype, NamesAndIdsLeadBackToTheType) {
  for (const DtypeTraits& t : all_dtypes()) {
    EXPECT_EQ(dtype_from_name(t.name), t.dtype);
    if (t.ggml_type >= 0) {
      EXPECT_EQ(dtype_from_ggml(static_cast<std::uint32_t>(t.ggml_type)), t.dtype);
    }
    if (!t.safetensors.empty()) {
      EXPECT_EQ(dtype_from_safetensors(t.safetensors), t.dtype);
    }
  }
  EXPECT_EQ(dtype_from_ggml(29), std::nullopt);
  EXPECT_EQ(dtype_from_name("q4_k"), Dtype::kQ4_K);
}

TEST(Dtype, BytesOfAShapeAreCheckedForOverflowAndBlocks) {
  EXPECT_EQ(*checked_bytes(Dtype::kQ4_K, Shape{3, 512}), 3 * 2 * 144);
  EXPECT_FALSE(checked_bytes(Dtype::kQ4_K, Shape{3, 500}).ok());
  EXPECT_FALSE(checked_bytes(Dtype::kF32, Shape{std::int64_t{1} << 40, std::int64_t{1} << 40}).ok());
  EXPECT_FALSE(checked_bytes(Dtype::kF32, Shape{-1, 4}).ok());
  EXPECT_FALSE(checked_bytes(Dtype::kI64, Shape{std::int64_t{1} << 61, 2}).ok());
}

TEST(Float16, EveryHalfSurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = f16_to_f32(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value))));
    } else {
      EXPECT_EQ(f32_to_f16(value), half) << value;
    }
  }
}

TEST(Float16, RoundsToNearestEven) {
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), f32_to_f16(1.0f));  // a tie goes to the even mantissa
  EXPECT_EQ(f32_to_f16(1.0f + 0x1.8p-10f), f32_to_f16(1.0f + 0x1p-9f));
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1p-8f), f32_to_bf16(1.0f));
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::infinity()), 0x7f80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Float16, EveryF8SurvivesTheRoundTrip) {
  for (int bits = 0; bits < 256; ++bits) {
    const float value = f8e4m3_to_f32(static_cast<std::uint8_t>(bits));
    if (std::isnan(value)) continue;
    EXPECT_EQ(f32_to_f8e4m3(value), bits) << value;
  }
  EXPECT_EQ(f8e4m3_to_f32(0x7e), 448.0f);
  EXPECT_EQ(f8e4m3_to_f32(0x01), 0x1p-9f);
  EXPECT_EQ(f32_to_f8e4m3(1e9f), 0x7e);
}

}  // namespace
}  // namespace r1
