// float_ops_test.cpp: laws of the f32 row operations, on every instruction set this CPU has.
#include "kernels/float_ops.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "kernels/exp.h"
#include "kernels/instruction_set.h"
#include "kernels/kernel_fixtures.h"

namespace r1 {
namespace {

// Distance in units in the last place, counted on the ordered bit patterns.
std::int64_t ulps_apart(float a, float b) {
  const auto ordered = [](float v) {
    const auto bits = std::bit_cast<std::int32_t>(v);
    return bits < 0 ? std::int64_t{INT32_MIN} - bits : std::int64_t{bits};
  };
  return std::abs(ordered(a) - ordered(b));
}

constexpr std::int64_t kLengths[] = {1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 100, 511, 512, 513, 1030, 4096};

TEST(Dot, EqualsTheSumInDoubleWithinTheBound) {
  for (const InstructionSet* set : usable_instruction_sets()) {
    for (const std::int64_t n : kLengths) {
      const auto a = random_floats(n, 1), b = random_floats(n, 2);
      double sum = 0, magnitude = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        sum += static_cast<double>(a[i]) * b[i];
        magnitude += std::fabs(static_cast<double>(a[i]) * b[i]);
      }
      // 32 roundings in a lane, 4 to add the lanes, one a chunk.
      EXPECT_NEAR(set->dot(a.data(), b.data(), n), sum, magnitude * static_cast<double>(36 + n / 512) * 0x1p-24)
          << set->name << n;
    }
  }
}

TEST(FloatOps, EverySetGivesThePortableBits) {
  const InstructionSet& portable = *usable_instruction_sets()[0];
  for (const InstructionSet* set : usable_instruction_sets()) {
    if (!is_exact(*set)) continue;
    for (const std::int64_t n : kLengths) {
      const auto a = random_floats(n, 1, 3.0f), b = random_floats(n, 2);
      EXPECT_EQ(set->dot(a.data(), b.data(), n), portable.dot(a.data(), b.data(), n)) << set->name << n;
      EXPECT_EQ(set->dot3(a.data(), b.data(), a.data(), n), portable.dot3(a.data(), b.data(), a.data(), n));
      const auto same = [&](auto operation) {
        std::vector<float> y(b), expected(b);
        operation(*set, y.data());
        operation(portable, expected.data());
        EXPECT_EQ(y, expected) << set->name << " " << n;
      };
      same([&](const InstructionSet& s, float* y) { s.add(a.data(), b.data(), y, n); });
      same([&](const InstructionSet& s, float* y) { s.scale(y, 0.37f, n); });
      same([&](const InstructionSet& s, float* y) { s.add_scaled(a.data(), 0.37f, y, n); });
      same([&](const InstructionSet& s, float* y) { s.add_scaled_product(a.data(), a.data(), 0.37f, y, n); });
      same([&](const InstructionSet& s, float* y) { s.rms_norm(a.data(), b.data(), 1e-6f, y, n); });
      same([&](const InstructionSet& s, float* y) { y[0] += s.exp_and_sum(y, 3.0f, n); });
      same([&](const InstructionSet& s, float* y) { s.sigmoid(y, n); });
      same([&](const InstructionSet& s, float* y) { s.silu_mul(a.data(), b.data(), y, n); });
      same([&](const InstructionSet& s, float* y) { y[0] = s.max_value(a.data(), n); });
    }
  }
}

TEST(MaxValue, FindsTheLargestAnywhere) {
  for (const InstructionSet* set : usable_instruction_sets()) {
    for (const std::int64_t n : {1, 5, 16, 33, 100}) {
      for (std::int64_t at = 0; at < n; ++at) {
        std::vector<float> x(static_cast<std::size_t>(n), -INFINITY);
        x[static_cast<std::size_t>(at)] = -3.5f;
        ASSERT_EQ(set->max_value(x.data(), n), -3.5f) << set->name << " at " << at << " of " << n;
      }
    }
  }
}

TEST(RmsNorm, EqualsTheDoubleReference) {
  for (const InstructionSet* set : usable_instruction_sets()) {
    for (const std::int64_t n : kLengths) {
      const auto x = random_floats(n, 1, 5.0f), weight = random_floats(n, 2);
      double sum = 0;
      for (const float v : x) sum += static_cast<double>(v) * v;
      const double inverse = 1.0 / std::sqrt(sum / static_cast<double>(n) + 1e-6);
      std::vector<float> y(x.size());
      set->rms_norm(x.data(), weight.data(), 1e-6f, y.data(), n);
      for (std::size_t i = 0; i < y.size(); ++i) {
        EXPECT_NEAR(y[i], x[i] * inverse * weight[i], std::fabs(x[i] * inverse * weight[i]) * 3e-6 + 1e-30);
      }
    }
  }
}

TEST(Exp, IsWithinOneUlpOverTheWholeRange) {
  std::vector<float> x;
  for (float v = -104.5f; v < 89.5f; v += 0x1.3p-9f) x.push_back(v);
  for (const InstructionSet* set : usable_instruction_sets()) {
    std::vector<float> y(x);
    set->exp_and_sum(y.data(), 0.0f, static_cast<std::int64_t>(y.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto expected = static_cast<float>(std::exp(static_cast<double>(x[i])));
      ASSERT_LE(ulps_apart(y[i], expected), is_exact(*set) ? 1 : 2) << set->name << ": exp(" << x[i] << ") = " << y[i];
    }
  }
}

TEST(Exp, ExtremesAreLimits) {
  for (const InstructionSet* set : usable_instruction_sets()) {
    float x[] = {-INFINITY, -1e30f, -200.0f, 0.0f, -0.0f, 1000.0f, INFINITY, std::nanf("")};
    set->exp_and_sum(x, 0.0f, 8);
    const float expected[] = {0, 0, 0, 1, 1, INFINITY, INFINITY};
    for (int i = 0; i < 7; ++i) EXPECT_EQ(x[i], expected[i]) << set->name << i;
    EXPECT_TRUE(std::isnan(x[7])) << set->name;
    float masked[] = {1.0f, -INFINITY, 3.0f};
    const float sum = set->exp_and_sum(masked, 3.0f, 3);
    EXPECT_NEAR(sum, 1 + std::exp(-2.0), 1e-6);
    EXPECT_EQ(masked[1], 0.0f);
    EXPECT_EQ(masked[2], 1.0f);
  }
}

// A value gives the same wherever in the row it stands, and whatever stands beside it.
TEST(Exp, ALanePositionChangesNothing) {
  for (const InstructionSet* set : usable_instruction_sets()) {
    for (const std::int64_t n : {1, 3, 8, 16, 21, 37}) {
      for (std::int64_t at = 0; at < n; ++at) {
        std::vector<float> x(static_cast<std::size_t>(n), 1.0f), gate(x), up(x);
        gate[static_cast<std::size_t>(at)] = -1.2345f;
        x[static_cast<std::size_t>(at)] = -1.2345f;
        set->exp_and_sum(x.data(), 0.0f, n);
        set->silu_mul(gate.data(), up.data(), gate.data(), n);
        float alone_exp = -1.2345f, alone_silu = -1.2345f, one = 1.0f;
        set->exp_and_sum(&alone_exp, 0.0f, 1);
        set->silu_mul(&alone_silu, &one, &alone_silu, 1);
        ASSERT_EQ(x[static_cast<std::size_t>(at)], alone_exp) << set->name;
        ASSERT_EQ(gate[static_cast<std::size_t>(at)], alone_silu) << set->name;
      }
    }
  }
}

TEST(SigmoidAndSilu, EqualTheDoubleReferenceAndTheirLimits) {
  for (const InstructionSet* set : usable_instruction_sets()) {
    std::vector<float> x, ones;
    for (float v = -90.0f; v < 90.0f; v += 0.37f) x.push_back(v);
    ones.assign(x.size(), 1.0f);
    std::vector<float> s(x), silu(x.size());
    set->sigmoid(s.data(), static_cast<std::int64_t>(s.size()));
    set->silu_mul(x.data(), ones.data(), silu.data(), static_cast<std::int64_t>(x.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = 1.0 / (1.0 + std::exp(-static_cast<double>(x[i])));
      // Where exp(-x) overflows f32 the result is 0 instead of less than 2^-127.
      EXPECT_NEAR(s[i], expected, expected * 3e-7 + 0x1p-127);
      EXPECT_NEAR(silu[i], x[i] * expected, std::fabs(x[i]) * (expected * 3e-7 + 0x1p-127));
    }
    float limits[] = {-INFINITY, INFINITY, 0.0f, -1e30f, 1e30f};
    set->sigmoid(limits, 5);
    const float expected[] = {0, 1, 0.5f, 0, 1};
    for (int i = 0; i < 5; ++i) EXPECT_EQ(limits[i], expected[i]) << set->name;
  }
}

struct AccumulateCase {
  int n_rows, n_cols, n_tokens;
};

// Against double; each token and column alone; and the portable bits.
TEST(AccumulateRows, IsRightAndDoesNotDependOnItsTile) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
    for (const auto& [n_rows, n_cols, n_tokens] :
         {AccumulateCase{5, 37, 9}, {1, 1, 1}, {17, 64, 6}, {3, 130, 4}, {64, 24, 13}}) {
      const auto w = random_weights(dtype, std::int64_t{n_rows} * n_cols);
      std::vector<float> values(static_cast<std::size_t>(n_rows) * n_cols);
      kernels(dtype).dequantize(w.data(), values.data(), static_cast<std::int64_t>(values.size()));
      const auto x = random_floats(std::int64_t{n_tokens} * n_rows, 3), alpha = random_floats(n_tokens, 4);
      const auto start = random_floats(std::int64_t{n_tokens} * n_cols, 5);
      for (const bool with_alpha : {false, true}) {
        std::vector<float> portable_y;
        for (const InstructionSet* set : usable_instruction_sets()) {
          auto y = start;
          AccumulateArgs args{.w = w.data(),
                              .w_row_bytes = bytes_of(dtype, n_cols),
                              .dtype = dtype,
                              .x = x.data(),
                              .x_stride = n_rows,
                              .y = y.data(),
                              .y_stride = n_cols,
                              .alpha = with_alpha ? alpha.data() : nullptr,
                              .n_rows = n_rows,
                              .n_cols = n_cols,
                              .n_tokens = n_tokens};
          set->accumulate_rows(args);
          if (portable_y.empty()) portable_y = y;
          if (is_exact(*set)) {
            EXPECT_EQ(y, portable_y) << set->name;
          }
          for (int token = 0; token < n_tokens; ++token) {
            std::vector<float> alone(start.begin() + token * n_cols, start.begin() + (token + 1) * n_cols);
            AccumulateArgs one = args;
            one.x += token * n_rows;
            one.y = alone.data();
            if (with_alpha) one.alpha += token;
            one.n_tokens = 1;
            set->accumulate_rows(one);
            for (int c = 0; c < n_cols; ++c) {
              double sum = with_alpha ? static_cast<double>(alpha[token]) * start[token * n_cols + c] : 0.0;
              for (int r = 0; r < n_rows; ++r)
                sum += static_cast<double>(x[token * n_rows + r]) * values[r * n_cols + c];
              ASSERT_NEAR(y[token * n_cols + c], sum, 1e-5) << set->name;
              ASSERT_EQ(y[token * n_cols + c], alone[c]) << set->name << " token " << token << " column " << c;
            }
          }
        }
      }
    }
  }
}

// All 65,536 bit patterns; of a NaN only that it is one.
TEST(Widen, EverySetGivesThePortableValues) {
  constexpr int kPatterns = 1 << 16;
  std::vector<std::uint16_t> stored(kPatterns);
  for (int i = 0; i < kPatterns; ++i) stored[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(i);
  for (const auto widen : {&InstructionSet::widen_f16, &InstructionSet::widen_bf16}) {
    std::vector<float> expected(kPatterns), values(kPatterns);
    const auto* bytes = reinterpret_cast<const std::byte*>(stored.data());
    (usable_instruction_sets()[0]->*widen)(bytes, expected.data(), kPatterns);
    for (const InstructionSet* set : usable_instruction_sets()) {
      (set->*widen)(bytes, values.data(), kPatterns - 3);  // a rest that fills no vector
      for (std::size_t i = 0; i + 3 < values.size(); ++i) {
        if (std::isnan(expected[i])) {
          ASSERT_TRUE(std::isnan(values[i])) << set->name << ", bits " << i;
        } else {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), std::bit_cast<std::uint32_t>(expected[i]))
              << set->name << ", bits " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace r1
