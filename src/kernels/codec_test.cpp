// codec_test.cpp: laws of encoding and decoding: equal to an independent decoder, bounded error, nothing lost twice.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "kernels/kernel_fixtures.h"

namespace r1 {
namespace {

Bytes from_hex(const std::string& hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

TEST(Dequantize, EqualsAnIndependentDecoderBitForBit) {
  std::ifstream file(R1_SOURCE_DIR "/tests/golden/dequant/blocks.txt");
  int n_lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    ++n_lines;
    std::istringstream fields(line);
    std::string name, block_hex, values_hex;
    fields >> name >> block_hex >> values_hex;
    const Dtype dtype = dtype_from_name(name).value();
    const auto block = from_hex(block_hex), expected = from_hex(values_hex);
    std::vector<float> values(expected.size() / sizeof(float));
    ASSERT_EQ(bytes_of(dtype, static_cast<std::int64_t>(values.size())), static_cast<std::int64_t>(block.size()));
    kernels(dtype).dequantize(block.data(), values.data(), static_cast<std::int64_t>(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      float want;
      std::memcpy(&want, &expected[i * sizeof(float)], sizeof(float));
      ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), std::bit_cast<std::uint32_t>(want))
          << name << " line " << n_lines << " value " << i << ": " << values[i] << ", expected " << want;
    }
  }
  EXPECT_GE(n_lines, 12 * 6);
}

std::vector<float> decode(Dtype dtype, const Bytes& bytes, std::int64_t n) {
  std::vector<float> values(static_cast<std::size_t>(n));
  kernels(dtype).dequantize(bytes.data(), values.data(), n);
  return values;
}

Bytes encode(Dtype dtype, const std::vector<float>& values) {
  const auto n = static_cast<std::int64_t>(values.size());
  Bytes bytes(static_cast<std::size_t>(bytes_of(dtype, n)));
  kernels(dtype).quantize(values.data(), bytes.data(), n);
  return bytes;
}

// Root mean square of the error over that of the values, for normally distributed values.
struct ErrorBound {
  Dtype dtype;
  double relative_rms;
};
constexpr ErrorBound kErrorBounds[] = {
    {Dtype::kF32, 0},       {Dtype::kF16, 2.5e-4},  {Dtype::kBF16, 2e-3},    {Dtype::kF8E4M3, 0.03},
    {Dtype::kQ4_0, 0.092},  {Dtype::kQ4_1, 0.085},  {Dtype::kQ5_0, 0.046},   {Dtype::kQ5_1, 0.042},
    {Dtype::kQ8_0, 0.0058}, {Dtype::kQ2_K, 0.30},   {Dtype::kQ3_K, 0.16},    {Dtype::kQ4_K, 0.076},
    {Dtype::kQ5_K, 0.038},  {Dtype::kQ6_K, 0.0195}, {Dtype::kIQ4_NL, 0.078}, {Dtype::kIQ4_XS, 0.079},
};

TEST(Quantize, ErrorOnNormalValuesIsBounded) {
  const auto values = random_floats(256 * 64, 11);
  double power = 0;
  for (const float v : values) power += static_cast<double>(v) * v;
  for (const auto& [dtype, bound] : kErrorBounds) {
    const auto decoded = decode(dtype, encode(dtype, values), static_cast<std::int64_t>(values.size()));
    double error = 0;
    for (std::size_t i = 0; i < values.size(); ++i) error += std::pow(static_cast<double>(decoded[i]) - values[i], 2);
    EXPECT_LE(std::sqrt(error / power), bound) << traits(dtype).name;
    EXPECT_GE(std::sqrt(error / power), bound * 0.8) << traits(dtype).name << ": the bound is slack";
  }
}

TEST(Quantize, OnceQuantisedNothingMoreIsLost) {
  constexpr Dtype kExact[] = {Dtype::kF32,  Dtype::kF16,  Dtype::kBF16, Dtype::kF8E4M3, Dtype::kQ4_0,
                              Dtype::kQ4_1, Dtype::kQ5_0, Dtype::kQ5_1, Dtype::kQ8_0};
  const auto values = random_floats(256 * 16, 12);
  for (const Dtype dtype : kExact) {
    const auto once = decode(dtype, encode(dtype, values), static_cast<std::int64_t>(values.size()));
    const auto twice = decode(dtype, encode(dtype, once), static_cast<std::int64_t>(values.size()));
    EXPECT_EQ(once, twice) << traits(dtype).name;
  }
}

// What an encoder may meet in a broken or unusual tensor: it must give finite blocks, and zeros for zeros.
TEST(Quantize, ExtremeValuesGiveFiniteBlocks) {
  const float kExtremes[] = {0.0f, 1e-30f, -1e-41f, 1e30f, -1e30f, 65504.0f, std::nanf(""), -INFINITY};
  for (const auto& [dtype, bound] : kErrorBounds) {
    if (traits(dtype).block_values == 1) continue;
    for (const float extreme : kExtremes) {
      std::vector<float> values(256, 0.0f);
      values[3] = values[77] = extreme;
      for (const float v : decode(dtype, encode(dtype, values), 256)) {
        ASSERT_TRUE(std::isfinite(v)) << traits(dtype).name << " of " << extreme;
        if (extreme == 0) {
          ASSERT_EQ(v, 0.0f) << traits(dtype).name;
        }
      }
    }
  }
}

}  // namespace
}  // namespace r1
