// muon_test.cpp: Newton-Schulz and the update against the algorithm written out in double.
#include "train/muon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "train/optimizer.h"
#include "train/shapes.h"

namespace r1 {
namespace {

using Doubles = std::vector<std::vector<double>>;

Doubles product(const Doubles& a, const Doubles& b) {
  Doubles c(a.size(), std::vector<double>(b[0].size(), 0.0));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < b[0].size(); ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

Doubles transposed(const Doubles& a) {
  Doubles t(a[0].size(), std::vector<double>(a.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[0].size(); ++j) t[j][i] = a[i][j];
  }
  return t;
}

Doubles in_double(const std::vector<float>& x, std::size_t rows, std::size_t cols) {
  Doubles m(rows, std::vector<double>(cols));
  for (std::size_t i = 0; i < rows * cols; ++i) m[i / cols][i % cols] = x[i];
  return m;
}

Doubles orthogonalized(Doubles x) {
  double squares = 0;
  for (const auto& row : x) {
    for (const double v : row) squares += v * v;
  }
  for (auto& row : x) {
    for (double& v : row) v /= std::sqrt(squares) + 1e-7;
  }
  for (int step = 0; step < 5; ++step) {
    const Doubles gram = product(x, transposed(x)), squared = product(gram, gram);
    const Doubles first = product(gram, x), second = product(squared, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < x[0].size(); ++j)
        x[i][j] = double{3.4445f} * x[i][j] + double{-4.7750f} * first[i][j] + double{2.0315f} * second[i][j];
    }
  }
  return x;
}

// Eigenvalues of a symmetric matrix, by Jacobi's rotations.
std::vector<double> eigenvalues(Doubles a) {
  const std::size_t n = a.size();
  for (int sweep = 0; sweep < 60; ++sweep) {
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (std::fabs(a[p][q]) < 1e-14) continue;
        const double angle = 0.5 * std::atan2(2 * a[p][q], a[q][q] - a[p][p]), c = std::cos(angle), s = std::sin(angle);
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[k][p], y = a[k][q];
          a[k][p] = c * x - s * y, a[k][q] = s * x + c * y;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[p][k], y = a[q][k];
          a[p][k] = c * x - s * y, a[q][k] = s * x + c * y;
        }
      }
    }
  }
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) values.push_back(a[i][i]);
  return values;
}

std::vector<float> random_matrix(std::size_t n, std::uint64_t stream) {
  std::vector<float> x(n);
  Rng rng(4, stream);
  for (float& v : x) v = rng.normal();
  return x;
}

TEST(Muon, OrthogonalizesWideHighAndSquareMatrices) {
  ThreadPool pool(1);
  Arena arena;
  for (const auto& [rows, cols] : std::vector<std::pair<std::size_t, std::size_t>>{{24, 40}, {40, 24}, {32, 32}}) {
    std::vector<float> x = random_matrix(rows * cols, rows);
    const Doubles wide = in_double(x, rows, cols), expected = orthogonalized(wide);
    orthogonalize(pool, arena, {x.data(), {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols)}});
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], expected[i / cols][i % cols], 2e-5) << i;
    const Doubles result = in_double(x, rows, cols);
    const auto values =
        eigenvalues(rows <= cols ? product(result, transposed(result)) : product(transposed(result), result));
    for (const double value : values) {
      // A square matrix of chance has a singular value near 0, which five steps do not lift.
      if (rows != cols) {
        EXPECT_GT(std::sqrt(value), 0.6) << rows << " x " << cols;
      }
      EXPECT_LT(std::sqrt(value), 1.25) << rows << " x " << cols;
    }
  }
}

TEST(Muon, NoGradientIsNoMove) {
  ThreadPool pool(1);
  Arena arena;
  std::vector<float> x(12, 0.0f);
  orthogonalize(pool, arena, {x.data(), {3, 4}});
  for (const float v : x) EXPECT_EQ(v, 0.0f);
}

TEST(Muon, EqualsTheAlgorithmInDouble) {
  ThreadPool pool(1);
  Arena arena;
  std::vector<float> value = random_matrix(6 * 10, 1), m(60, 0.0f);
  std::vector<double> expected(value.begin(), value.end()), momentum(60, 0.0);
  for (std::uint64_t step = 2; step < 7; ++step) {
    const std::vector<float> gradient = random_matrix(60, step);
    update_muon(pool, arena, {.momentum = 0.9f, .gradient_scale = 0.5f, .learning_rate = 0.01f, .decay = 0.001f},
                {6, 10}, gradient.data(), value.data(), m.data());
    std::vector<float> ahead(60);
    for (std::size_t i = 0; i < 60; ++i) {
      const double g = 0.5 * gradient[i];
      momentum[i] = double{0.9f} * momentum[i] + (1 - double{0.9f}) * g;
      ahead[i] = static_cast<float>((1 - double{0.9f}) * g + double{0.9f} * momentum[i]);
    }
    const Doubles move = orthogonalized(in_double(ahead, 6, 10));
    for (std::size_t i = 0; i < 60; ++i)
      expected[i] -= double{0.001f} * expected[i] + double{0.01f} * 0.2 * std::sqrt(10.0) * move[i / 10][i % 10];
  }
  for (std::size_t i = 0; i < 60; ++i) EXPECT_NEAR(value[i], expected[i], 1e-5) << i;
}

// Layers' matrices move by Muon, each expert's as if it were alone; all others to the bits of AdamW.
TEST(Muon, IsForLayersMatricesAlone) {
  const ModelConfig config = trained_shape("nano-0.15m", 96).value();
  TrainedModel muon(config, 5), adamw(config, 5), before(config, 5);
  std::vector<float> gradient = random_matrix(static_cast<std::size_t>(muon.n_trained()), 3);
  ThreadPool pool(2);
  Optimizer of_muon(muon, {.kind = OptimizerKind::kMuon}), of_adamw(adamw, {});
  EXPECT_LT(of_muon.second_moments().size(), of_adamw.second_moments().size() / 2);
  of_muon.step(pool, muon, gradient, 1e-3f);
  of_adamw.step(pool, adamw, gradient, 1e-3f);
  for (const ParameterTensor& p : muon.trained_tensors()) {
    const auto bytes = static_cast<std::size_t>(p.shape.n_values()) * 4;
    const bool same = std::memcmp(muon.values().data() + p.offset, adamw.values().data() + p.offset, bytes) == 0;
    EXPECT_EQ(same, !is_for_muon(p)) << p.name;
    EXPECT_NE(std::memcmp(muon.values().data() + p.offset, before.values().data() + p.offset, bytes), 0) << p.name;
    if (p.shape.n_dims != 3) continue;
    std::vector<float> alone(before.values().begin() + p.offset,
                             before.values().begin() + p.offset + p.shape.n_values());
    Arena arena;
    const auto n = static_cast<std::size_t>(p.shape[1] * p.shape[2]);
    std::vector<float> m(n, 0.0f);
    const auto scale = static_cast<float>(1.0 / norm(pool, gradient));
    update_muon(pool, arena, {.gradient_scale = scale, .learning_rate = 1e-3f, .decay = 1e-3f * 0.1f},
                {p.shape[1], p.shape[2]}, gradient.data() + p.offset + 2 * n, alone.data() + 2 * n, m.data());
    EXPECT_EQ(std::memcmp(alone.data() + 2 * n, muon.values().data() + p.offset + 2 * n, n * 4), 0) << p.name;
  }
}

}  // namespace
}  // namespace r1
