// gemm_test.cpp: the products of a linear layer, whole and cut among threads.
#include "ops/gemm.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/rng.h"
#include "kernels/gemm.h"

namespace r1 {
namespace {

struct Matrix {
  std::vector<float> values;
  std::int64_t n_rows, n_cols;

  Matrix(std::int64_t rows, std::int64_t cols, std::uint64_t stream)
      : values(static_cast<std::size_t>(rows * cols)), n_rows(rows), n_cols(cols) {
    Rng rng(11, stream);
    for (float& value : values) value = rng.normal();
  }
  Tensor tensor() { return {values.data(), {n_rows, n_cols}}; }
};

// A linear layer: its values, and what the three products make of them.
struct Layer {
  Matrix x, w, d_y;
  Matrix y, d_x, d_w;

  Layer(std::int64_t tokens, std::int64_t n_out, std::int64_t n_in)
      : x(tokens, n_in, 1),
        w(n_out, n_in, 2),
        d_y(tokens, n_out, 3),
        y(tokens, n_out, 4),
        d_x(tokens, n_in, 6),
        d_w(n_out, n_in, 7) {}

  void run(int n_threads) {
    ThreadPool pool(n_threads);
    Arena arena;
    multiply_by_weight(pool, arena, x.tensor(), w.tensor(), y.tensor());
    add_input_gradient(pool, arena, d_y.tensor(), w.tensor(), d_x.tensor());
    add_weight_gradient(pool, arena, d_y.tensor(), x.tensor(), d_w.tensor());
  }
};

bool same_bits(const Matrix& a, const Matrix& b) {
  return a.values.empty() || std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)) == 0;
}

struct LayerShape {
  std::int64_t tokens, n_out, n_in;
};

TEST(LinearLayer, ProductsEqualTheSumsInDouble) {
  for (const auto& [tokens, n_out, n_in] : {LayerShape{1, 1, 1}, {5, 70, 33}, {530, 3, 9}, {2, 1040, 530}}) {
    Layer layer(tokens, n_out, n_in);
    const auto start_x = layer.d_x.values, start_w = layer.d_w.values;
    layer.run(2);
    const auto near = [&](float value, double sum, std::int64_t n) {
      ASSERT_NEAR(value, sum, 1e-6 * static_cast<double>(n) + 1e-6) << tokens << ", " << n_out << ", " << n_in;
    };
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t o = 0; o < n_out; ++o) {
        double sum = 0;
        for (std::int64_t i = 0; i < n_in; ++i) sum += double{layer.x.tensor().row(t)[i]} * layer.w.tensor().row(o)[i];
        near(layer.y.tensor().row(t)[o], sum, n_in);
      }
      for (std::int64_t i = 0; i < n_in; ++i) {
        double sum = start_x[static_cast<std::size_t>(t * n_in + i)];
        for (std::int64_t o = 0; o < n_out; ++o) {
          sum += double{layer.d_y.tensor().row(t)[o]} * layer.w.tensor().row(o)[i];
        }
        near(layer.d_x.tensor().row(t)[i], sum, n_out);
      }
    }
    for (std::int64_t o = 0; o < n_out; ++o) {
      for (std::int64_t i = 0; i < n_in; ++i) {
        double sum = start_w[static_cast<std::size_t>(o * n_in + i)];
        for (std::int64_t t = 0; t < tokens; ++t) {
          sum += double{layer.d_y.tensor().row(t)[o]} * layer.x.tensor().row(t)[i];
        }
        near(layer.d_w.tensor().row(o)[i], sum, tokens);
      }
    }
  }
}

// Shapes that are cut by rows, by columns, by both, and into several pieces of b.
TEST(LinearLayer, ResultsDoNotDependOnThreads) {
  for (const auto& [tokens, n_out, n_in] : {LayerShape{300, 96, 64}, {8, 1100, 640}, {700, 130, 40}, {1, 513, 999}}) {
    Layer alone(tokens, n_out, n_in);
    alone.run(1);
    for (const int n_threads : {2, 3, 5}) {
      Layer layer(tokens, n_out, n_in);
      layer.run(n_threads);
      EXPECT_TRUE(same_bits(layer.y, alone.y)) << tokens << " tokens, " << n_threads << " threads";
      EXPECT_TRUE(same_bits(layer.d_x, alone.d_x)) << tokens << " tokens, " << n_threads << " threads";
      EXPECT_TRUE(same_bits(layer.d_w, alone.d_w)) << tokens << " tokens, " << n_threads << " threads";
    }
  }
}

TEST(LinearLayer, ARowDoesNotDependOnItsBatch) {
  Layer fresh(150, 200, 300), layer(150, 200, 300);
  layer.run(2);
  ThreadPool pool(2);
  Arena arena;
  for (const std::int64_t first : {0, 1, 77, 149}) {
    for (const std::int64_t count : {1, 8, 64}) {
      if (first + count > 150) continue;
      Matrix y(count, 200, 8), d_x(count, 300, 9);
      std::copy_n(fresh.d_x.tensor().row(first), count * 300, d_x.values.data());
      multiply_by_weight(pool, arena, {layer.x.tensor().row(first), {count, 300}}, layer.w.tensor(), y.tensor());
      add_input_gradient(pool, arena, {layer.d_y.tensor().row(first), {count, 200}}, layer.w.tensor(), d_x.tensor());
      EXPECT_EQ(std::memcmp(y.values.data(), layer.y.tensor().row(first), y.values.size() * 4), 0) << first;
      EXPECT_EQ(std::memcmp(d_x.values.data(), layer.d_x.tensor().row(first), d_x.values.size() * 4), 0) << first;
    }
  }
}

// As workers do it: each share of tokens by itself, then the shares added in order.
TEST(LinearLayer, WeightGradientsOfSharesAddUpToTheWholeOnes) {
  constexpr std::int64_t kTokens = 4 * kGemmBlock - 30, kOut = 40, kIn = 50;
  Layer layer(kTokens, kOut, kIn);
  std::fill(layer.d_w.values.begin(), layer.d_w.values.end(), 0.0f);
  Matrix sum = layer.d_w;
  layer.run(2);
  ThreadPool pool(1);
  Arena arena;
  for (std::int64_t first = 0; first < kTokens; first += kGemmBlock) {
    const std::int64_t count = std::min<std::int64_t>(kGemmBlock, kTokens - first);
    Matrix share(kOut, kIn, 8);
    std::fill(share.values.begin(), share.values.end(), 0.0f);
    add_weight_gradient(pool, arena, {layer.d_y.tensor().row(first), {count, kOut}},
                        {layer.x.tensor().row(first), {count, kIn}}, share.tensor());
    for (std::size_t i = 0; i < share.values.size(); ++i) sum.values[i] += share.values[i];
  }
  EXPECT_TRUE(same_bits(sum, layer.d_w));
}

// No token for an expert: its gradient stays, and nothing is written.
TEST(LinearLayer, NoTokensChangeNothing) {
  Layer layer(0, 7, 5);
  const auto before = layer.d_w.values;
  layer.run(2);
  EXPECT_EQ(layer.d_w.values, before);
}

TEST(LinearLayerDeathTest, ShapesThatDisagreeEndTheProcess) {
  Layer layer(3, 4, 5);
  ThreadPool pool(1);
  Arena arena;
  EXPECT_DEATH(multiply_by_weight(pool, arena, layer.x.tensor(), layer.d_y.tensor(), layer.y.tensor()), "n_in");
  EXPECT_DEATH(add_weight_gradient(pool, arena, layer.d_y.tensor(), layer.x.tensor(), layer.y.tensor()), "d_w");
}

}  // namespace
}  // namespace r1
