// gemm_test.cpp: laws of the products of two matrices: right within a bound, and the same bits whatever the tile, the
// cut or the machine.
#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "kernels/instruction_set.h"
#include "kernels/kernel_fixtures.h"

namespace r1 {
namespace {

// One product of a linear layer: how a and b lie in memory.
enum class Way { kForward, kInputGradient, kWeightGradient };
constexpr const char* kWayNames[] = {"Forward", "InputGradient", "WeightGradient"};

struct Product {
  int n_lines, n_columns, n_k;
  std::vector<float> a_values, b_values, start;
  GemmOperand a, b;

  Product(Way way, int lines, int columns, int k) : n_lines(lines), n_columns(columns), n_k(k) {
    a_values = random_floats(std::int64_t{lines} * k, 1);
    b_values = random_floats(std::int64_t{columns} * k, 2);
    start = random_floats(std::int64_t{lines} * columns, 3);
    const bool a_turned = way == Way::kWeightGradient, b_turned = way != Way::kForward;
    a = a_turned ? columns_of(a_values.data(), k, lines, lines) : rows_of(a_values.data(), lines, k, k);
    b = b_turned ? columns_of(b_values.data(), k, columns, columns) : rows_of(b_values.data(), columns, k, k);
  }

  std::vector<float> packed(const InstructionSet& set, const GemmOperand& lines_of_b) const {
    const int panel = set.gemm_panel_lines;
    std::vector<float> out(static_cast<std::size_t>((lines_of_b.n_lines + panel - 1) / panel * panel) *
                           static_cast<std::size_t>(lines_of_b.n_k));
    set.gemm_pack(lines_of_b, out.data());
    return out;
  }

  // Lines of a and lines of b into their place in c.
  void multiply(const InstructionSet& set, const GemmOperand& some_a, const GemmOperand& some_b, GemmInto into,
                float* c) const {
    const auto panels = packed(set, some_b);
    set.gemm({.a = some_a,
              .packed_b = panels.data(),
              .c = c,
              .c_row_step = n_columns,
              .n_columns = some_b.n_lines,
              .into = into});
  }

  std::vector<float> run(const InstructionSet& set, GemmInto into) const {
    auto c = start;
    multiply(set, a, b, into, c.data());
    return c;
  }
};

double at(const GemmOperand& operand, int line, int k) {
  return operand.data[line * operand.line_step + k * operand.k_step];
}

struct GemmShape {
  int n_lines, n_columns, n_k;
};
// Around a tile, a panel, the eight of a transposition, a block of k and the strips that are packed together.
constexpr GemmShape kShapes[] = {{1, 1, 1},     {1, 33, 7},   {2, 31, 8},    {3, 16, 257}, {5, 15, 256},
                                 {6, 64, 9},    {7, 65, 64},  {13, 32, 3},   {14, 1, 515}, {15, 17, 16},
                                 {28, 48, 255}, {31, 95, 24}, {113, 40, 12}, {129, 7, 300}};

void expect_same_bits(const std::vector<float>& c, const std::vector<float>& expected, const Product& p,
                      std::string_view what) {
  for (std::size_t i = 0; i < c.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(c[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << what << ": " << p.n_lines << " x " << p.n_columns << " over " << p.n_k << ", element "
        << i / static_cast<std::size_t>(p.n_columns) << ", " << i % static_cast<std::size_t>(p.n_columns) << ": "
        << c[i] << ", expected " << expected[i];
  }
}

class EveryWay : public testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(Gemm, EveryWay, testing::Values(Way::kForward, Way::kInputGradient, Way::kWeightGradient),
                         [](const auto& test) { return kWayNames[static_cast<int>(test.param)]; });

// Bound: one rounding a product within a block, one a block after it, and one of what was there.
TEST_P(EveryWay, ProductEqualsTheSumInDoubleWithinTheBound) {
  for (const auto& [n_lines, n_columns, n_k] : kShapes) {
    const Product p(GetParam(), n_lines, n_columns, n_k);
    const double roundings = std::min(n_k, kGemmBlock) + n_k / kGemmBlock + 2;
    for (const InstructionSet* set : usable_instruction_sets()) {
      for (const GemmInto into : {GemmInto::kOverwrite, GemmInto::kAccumulate}) {
        const auto c = p.run(*set, into);
        for (int i = 0; i < n_lines; ++i) {
          for (int j = 0; j < n_columns; ++j) {
            double sum = into == GemmInto::kAccumulate ? p.start[i * n_columns + j] : 0.0, magnitude = std::fabs(sum);
            for (int k = 0; k < n_k; ++k) {
              sum += at(p.a, i, k) * at(p.b, j, k);
              magnitude += std::fabs(at(p.a, i, k) * at(p.b, j, k));
            }
            // SSE4 rounds the product and the sum.
            ASSERT_NEAR(c[i * n_columns + j], sum, magnitude * roundings * (is_exact(*set) ? 0x1p-24 : 0x1p-23))
                << set->name << ": " << n_lines << " x " << n_columns << " over " << n_k << " at " << i << ", " << j;
          }
        }
      }
    }
  }
}

TEST_P(EveryWay, EverySetGivesThePortableBits) {
  for (const auto& [n_lines, n_columns, n_k] : kShapes) {
    const Product p(GetParam(), n_lines, n_columns, n_k);
    for (const GemmInto into : {GemmInto::kOverwrite, GemmInto::kAccumulate}) {
      const auto expected = p.run(*usable_instruction_sets()[0], into);
      for (const InstructionSet* set : usable_instruction_sets()) {
        if (is_exact(*set)) expect_same_bits(p.run(*set, into), expected, p, set->name);
      }
    }
  }
}

// Every number of lines a tile may have and of columns a panel may leave over, against all of them together; what lies
// beside the result stays as it was.
TEST_P(EveryWay, AResultDoesNotDependOnItsTile) {
  const Product p(GetParam(), 31, 67, 261);
  for (const InstructionSet* set : usable_instruction_sets()) {
    const auto all = p.run(*set, GemmInto::kAccumulate);
    for (int n_lines = 1; n_lines <= p.n_lines; n_lines += set->isa == "portable" ? 10 : 1) {
      for (const int n_columns : {1, 8, 15, 16, 31, 33, 67}) {
        const int first_line = p.n_lines - n_lines, first_column = p.n_columns - n_columns;
        auto expected = p.start, c = p.start;
        for (int i = first_line; i < p.n_lines; ++i) {
          for (int j = first_column; j < p.n_columns; ++j) expected[i * 67 + j] = all[i * 67 + j];
        }
        p.multiply(*set, p.a.lines(first_line, n_lines), p.b.lines(first_column, n_columns), GemmInto::kAccumulate,
                   &c[first_line * 67 + first_column]);
        expect_same_bits(c, expected, p, set->name);
      }
    }
  }
}

// Tokens of a weight gradient in several calls, cut at whole blocks; and the blocks each alone, added in order.
TEST_P(EveryWay, BlocksOfKMayBeMultipliedApart) {
  const Product p(GetParam(), 17, 35, 3 * kGemmBlock + 100);
  for (const InstructionSet* set : usable_instruction_sets()) {
    const auto all = p.run(*set, GemmInto::kAccumulate);
    auto in_two = p.start, by_block = p.start;
    for (const auto& [first, count] : {std::pair{0, 2 * kGemmBlock}, {2 * kGemmBlock, kGemmBlock + 100}}) {
      p.multiply(*set, p.a.range_of_k(first, count), p.b.range_of_k(first, count), GemmInto::kAccumulate,
                 in_two.data());
    }
    for (int first = 0; first < p.n_k; first += kGemmBlock) {
      const int count = std::min(kGemmBlock, p.n_k - first);
      std::vector<float> block(p.start.size());
      p.multiply(*set, p.a.range_of_k(first, count), p.b.range_of_k(first, count), GemmInto::kOverwrite, block.data());
      for (std::size_t i = 0; i < block.size(); ++i) by_block[i] += block[i];
    }
    expect_same_bits(in_two, all, p, set->name);
    expect_same_bits(by_block, all, p, set->name);
  }
}

// A NaN reaches its line and no other, also from where panels are filled up.
TEST_P(EveryWay, NotANumberStaysInItsLine) {
  Product p(GetParam(), 9, 19, 21);
  p.a_values[static_cast<std::size_t>(4 * p.a.line_step + 20 * p.a.k_step)] = NAN;
  for (const InstructionSet* set : usable_instruction_sets()) {
    const auto c = p.run(*set, GemmInto::kOverwrite);
    for (int i = 0; i < 9 * 19; ++i) ASSERT_EQ(std::isnan(c[i]), i / 19 == 4) << set->name << " element " << i;
  }
}

TEST(Gemm, EmptyProductsAreZeroOrLeaveWhatWasThere) {
  float c[2] = {5, 7};
  gemm({.a = {nullptr, 1, 1, 0, 3}, .c = c, .c_row_step = 2, .n_columns = 2});
  gemm({.a = {c, 1, 1, 1, 2}, .c = c, .c_row_step = 2, .n_columns = 0});
  gemm({.a = {nullptr, 1, 1, 1, 0}, .c = c, .c_row_step = 2, .n_columns = 2, .into = GemmInto::kAccumulate});
  EXPECT_EQ(c[0], 5);
  EXPECT_EQ(c[1], 7);
  gemm({.a = {nullptr, 1, 1, 1, 0}, .c = c, .c_row_step = 2, .n_columns = 1});
  EXPECT_EQ(c[0], 0);
  EXPECT_EQ(c[1], 7);
  EXPECT_EQ(gemm_packed_floats(0, 3), 0);
}

}  // namespace
}  // namespace r1
