// matmul_test.cpp: laws of the products: right within a bound, and the same bits whatever the tile, batch or machine.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "kernels/activation.h"
#include "kernels/instruction_set.h"
#include "kernels/kernel_fixtures.h"

namespace r1 {
namespace {

// Weights, activations and the arguments to multiply them, for one format.
struct QuantizedProduct {
  Dtype dtype;
  int n_rows, n_cols, n_tokens;
  Bytes w;
  std::vector<float> block_scales;
  QuantizedActivations x;

  QuantizedProduct(Dtype type, int rows, int cols, int tokens)
      : dtype(type), n_rows(rows), n_cols(cols), n_tokens(tokens) {
    w = random_weights(dtype, std::int64_t{rows} * cols);
    block_scales = random_floats((rows + 200 + 127) / 128 * ((cols + 127) / 128), 5, 0.3f);
    x = quantized_activations(dtype, random_floats(std::int64_t{tokens} * cols, 6), tokens);
  }

  MatmulArgs args(float* y) const {
    return {.w = w.data(),
            .w_row_bytes = bytes_of(dtype, n_cols),
            .block_scales = block_scales.data(),
            .first_row = 120,  // so that F8E4M3 crosses from one block of scales to the next
            .x = x.bytes.data(),
            .x_row_bytes = x.row_bytes,
            .y = y,
            .y_stride = n_rows,
            .n_rows = n_rows,
            .n_cols = n_cols,
            .n_tokens = n_tokens};
  }

  std::vector<float> run(const InstructionSet& set) const {
    std::vector<float> y(static_cast<std::size_t>(n_rows) * n_tokens, -1.0f);
    set.matmul[static_cast<int>(dtype)](args(y.data()));
    return y;
  }
};

// The value an activation stands for.
float activation_value(const QuantizedProduct& p, int token, int col) {
  const std::byte* row = p.x.bytes.data() + token * p.x.row_bytes;
  if (p.x.format == ActivationFormat::kF32) return reinterpret_cast<const float*>(row)[col];
  if (p.x.format == ActivationFormat::kQ8_32) {
    const Q8_32Row q(row, p.n_cols);
    return static_cast<float>(q.q[col]) * q.d[col / 32];
  }
  const Q8_256Row q(row, p.n_cols);
  return static_cast<float>(q.q[col]) * q.d[col / 256];
}

int columns_for(Dtype dtype, int n_blocks) {
  const int block = traits(dtype).block_values;
  return block == 1 ? n_blocks * 96 + 5 : n_blocks * block;
}

// Sets that give exactly the portable kernels' bits. SSE4 has no fused multiply-add.
class EveryDtype : public testing::TestWithParam<Dtype> {};
INSTANTIATE_TEST_SUITE_P(Matmul, EveryDtype, testing::ValuesIn(kMultipliedDtypes),
                         [](const auto& test) { return std::string(traits(test.param).name); });

// Bound: f32 rounding of each block's scaled sum and of their running total, (n_cols / 16 + 8) * 2^-24 of the sum of
// magnitudes; dequantised values themselves are rounded once or twice.
TEST_P(EveryDtype, ProductEqualsTheSumInDoubleWithinTheBound) {
  for (const int n_blocks : {1, 2, 3, 7, 9}) {
    const QuantizedProduct p(GetParam(), 19, columns_for(GetParam(), n_blocks), 5);
    std::vector<float> w(static_cast<std::size_t>(p.n_rows) * p.n_cols);
    kernels(p.dtype).dequantize(p.w.data(), w.data(), static_cast<std::int64_t>(w.size()));
    for (const InstructionSet* set : usable_instruction_sets()) {
      const auto y = p.run(*set);
      for (int token = 0; token < p.n_tokens; ++token) {
        for (int row = 0; row < p.n_rows; ++row) {
          double sum = 0, magnitude = 0;
          for (int c = 0; c < p.n_cols; ++c) {
            double weight = w[static_cast<std::size_t>(row) * p.n_cols + c];
            if (p.dtype == Dtype::kF8E4M3) {
              weight *= p.block_scales[(120 + row) / 128 * ((p.n_cols + 127) / 128) + c / 128];
            }
            sum += weight * activation_value(p, token, c);
            magnitude +=
                std::fabs(weight * activation_value(p, token, c)) + std::fabs(0.8 * activation_value(p, token, c));
          }
          ASSERT_NEAR(y[token * p.n_rows + row], sum, magnitude * (p.n_cols / 16 + 8) * 0x1p-24)
              << set->name << ", " << p.n_cols << " columns, row " << row << ", token " << token;
        }
      }
    }
  }
}

TEST_P(EveryDtype, EverySetGivesThePortableBits) {
  const InstructionSet& portable = *usable_instruction_sets()[0];
  for (const int n_blocks : {1, 2, 5, 8, 11}) {
    const QuantizedProduct p(GetParam(), 37, columns_for(GetParam(), n_blocks), 9);
    const auto expected = p.run(portable);
    for (const InstructionSet* set : usable_instruction_sets()) {
      if (!is_exact(*set)) continue;
      const auto y = p.run(*set);
      for (std::size_t i = 0; i < y.size(); ++i) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(y[i]), std::bit_cast<std::uint32_t>(expected[i]))
            << set->name << ", " << p.n_cols << " columns, row " << i % p.n_rows << ", token " << i / p.n_rows << ": "
            << y[i] << ", expected " << expected[i];
      }
    }
  }
}

// Long rows are multiplied in several runs; rows with a gap between them one by one.
TEST_P(EveryDtype, AFewTokensGiveThePortableBitsWithLongRowsAndRowsApart) {
  const int n_cols = std::max(32768 + 256, columns_for(GetParam(), 3));
  for (const int n_tokens : {1, 2, 7}) {
    for (const int cols : {n_cols, columns_for(GetParam(), 11)}) {
      const QuantizedProduct p(GetParam(), 11, cols, n_tokens);
      const std::int64_t row_bytes = bytes_of(p.dtype, cols), stride = row_bytes + 128;
      Bytes apart(static_cast<std::size_t>(stride * p.n_rows));
      for (int row = 0; row < p.n_rows; ++row) {
        std::copy_n(p.w.begin() + row * row_bytes, row_bytes, apart.begin() + row * stride);
      }
      const auto expected = p.run(*usable_instruction_sets()[0]);
      for (const InstructionSet* set : usable_instruction_sets()) {
        if (!is_exact(*set)) continue;
        std::vector<float> y(expected.size());
        MatmulArgs args = p.args(y.data());
        EXPECT_EQ(p.run(*set), expected) << set->name << ", " << n_tokens << " tokens, " << cols << " columns";
        args.w = apart.data();
        args.w_row_bytes = stride;
        set->matmul[static_cast<int>(p.dtype)](args);
        EXPECT_EQ(y, expected) << set->name << ", " << n_tokens << " tokens, " << cols << " columns, rows apart";
      }
    }
  }
}

// Every number of rows and tokens that a tile may leave over, against each row and token alone.
TEST_P(EveryDtype, AResultDoesNotDependOnItsTile) {
  constexpr int kRows = 35, kTokens = 101;
  const QuantizedProduct p(GetParam(), kRows, columns_for(GetParam(), 3), kTokens);
  for (const InstructionSet* set : usable_instruction_sets()) {
    const auto matmul = set->matmul[static_cast<int>(p.dtype)];
    std::vector<float> alone(kRows * kTokens);
    for (int token = 0; token < kTokens; ++token) {
      for (int row = 0; row < kRows; ++row) {
        MatmulArgs args = p.args(&alone[token * kRows + row]);
        args.w += row * args.w_row_bytes;
        args.first_row += row;
        args.x += token * args.x_row_bytes;
        args.n_rows = args.n_tokens = 1;
        matmul(args);
      }
    }
    for (const int n_rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 16, 17, 24, 31, 32, 33, 35}) {
      for (const int n_tokens : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 33, 64, 97, 101}) {
        if (set->isa == "portable" && n_tokens > 4) continue;
        std::vector<float> y(kRows * kTokens, -1.0f);
        MatmulArgs args = p.args(y.data());
        args.n_rows = n_rows;
        args.n_tokens = n_tokens;
        matmul(args);
        for (int token = 0; token < kTokens; ++token) {
          for (int row = 0; row < kRows; ++row) {
            const bool inside = row < n_rows && token < n_tokens;
            const float expected = inside ? alone[token * kRows + row] : -1.0f;
            ASSERT_EQ(std::bit_cast<std::uint32_t>(y[token * kRows + row]), std::bit_cast<std::uint32_t>(expected))
                << set->name << ": row " << row << " of " << n_rows << ", token " << token << " of " << n_tokens;
          }
        }
      }
    }
  }
}

TEST_P(EveryDtype, RowsOfActivationsAreGatheredAndResultsStrided) {
  const QuantizedProduct p(GetParam(), 11, columns_for(GetParam(), 2), 8);
  std::vector<std::int32_t> rows = {5, 5, 0, 7, 2};
  while (rows.size() < 37) rows.push_back(static_cast<std::int32_t>(rows.size() * 3 % 8));
  for (const InstructionSet* set : usable_instruction_sets()) {
    const auto all = p.run(*set);
    for (const int n_tokens : {5, 37}) {
      std::vector<float> y(static_cast<std::size_t>(n_tokens) * 40, -1.0f);
      MatmulArgs args = p.args(y.data());
      args.x_rows = rows.data();
      args.n_tokens = n_tokens;
      args.y_stride = 40;
      set->matmul[static_cast<int>(p.dtype)](args);
      for (int token = 0; token < n_tokens; ++token) {
        for (int i = 0; i < 40; ++i) {
          const float expected = i < p.n_rows ? all[static_cast<std::size_t>(rows[token] * p.n_rows + i)] : -1.0f;
          ASSERT_EQ(y[token * 40 + i], expected) << set->name << " token " << token << " row " << i;
        }
      }
    }
  }
}

// A NaN or an infinity among the activations must not vanish in the quantisation.
TEST_P(EveryDtype, NonFiniteActivationsReachTheResult) {
  const int n_cols = columns_for(GetParam(), 2);
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    auto x = random_floats(n_cols, 4);
    x[static_cast<std::size_t>(n_cols) - 3] = bad;
    QuantizedProduct p(GetParam(), 3, n_cols, 1);
    for (const InstructionSet* set : usable_instruction_sets()) {
      set->quantize_activation(p.x.format, x.data(), p.x.bytes.data(), n_cols);
      for (const float y : p.run(*set)) EXPECT_FALSE(std::isfinite(y)) << set->name << " with " << bad;
    }
  }
}

TEST(QuantizeActivation, EverySetGivesThePortableBytes) {
  for (const ActivationFormat format : {ActivationFormat::kF32, ActivationFormat::kQ8_32, ActivationFormat::kQ8_256}) {
    auto x = random_floats(256 * 5, 21);
    std::fill(x.begin() + 256, x.begin() + 256 + 300, 0.0f);
    x[600] = 1e30f;
    x[1030] = 1e-39f;
    for (const int n_cols : {256, 512, 1280}) {
      Bytes expected(static_cast<std::size_t>(activation_row_bytes(format, n_cols)));
      usable_instruction_sets()[0]->quantize_activation(format, x.data(), expected.data(), n_cols);
      for (const InstructionSet* set : usable_instruction_sets()) {
        Bytes bytes(expected.size());
        set->quantize_activation(format, x.data(), bytes.data(), n_cols);
        EXPECT_EQ(bytes, expected) << set->name << ", format " << static_cast<int>(format);
      }
    }
  }
}

TEST(QuantizeActivation, ErrorIsAtMostHalfAStepOfTheBlock) {
  const auto x = random_floats(1024, 22);
  Bytes row(static_cast<std::size_t>(activation_row_bytes(ActivationFormat::kQ8_32, 1024)));
  quantize_activation(ActivationFormat::kQ8_32, x.data(), row.data(), 1024);
  const Q8_32Row q(row.data(), 1024);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(static_cast<float>(q.q[i]) * q.d[i / 32], x[i], q.d[i / 32] * 0.5001f);
  }
}

}  // namespace
}  // namespace r1
