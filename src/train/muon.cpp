// muon.cpp: products of the matrix with itself, by ops/gemm.h.
#include "train/muon.h"

#include <algorithm>
#include <cmath>

#include "model/tensor_table.h"
#include "ops/gemm.h"

namespace r1 {
namespace {

// p(s) = a s + b s^3 + c s^5, five times: Jordan's coefficients, steep at 0 and without overshoot above 1.2.
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;
constexpr int kSteps = 5;

Tensor scratch(Arena& arena, std::int64_t rows, std::int64_t cols) {
  return {arena.allocate_floats(rows * cols), {rows, cols}};
}

// x = a x + (b A + c A A) x, A = x x^T, for a matrix that is not higher than wide.
void newton_schulz_step(ThreadPool& pool, Arena& arena, Tensor x) {
  const ArenaScope scope(arena);
  const std::int64_t n = x.n_rows();
  const Tensor gram = scratch(arena, n, n), squared = scratch(arena, n, n), next = scratch(arena, n, x.n_cols());
  multiply_by_weight(pool, arena, x, x, gram);
  multiply_by_weight(pool, arena, gram, gram, squared);  // symmetric: its transpose is itself
  for (std::int64_t i = 0; i < n * n; ++i) squared.data[i] = kB * gram.data[i] + kC * squared.data[i];
  for (std::int64_t i = 0; i < n * x.n_cols(); ++i) next.data[i] = kA * x.data[i];
  add_input_gradient(pool, arena, squared, x, next);
  std::copy_n(next.data, n * x.n_cols(), x.data);
}

void transpose(Tensor from, Tensor to) {
  for (std::int64_t i = 0; i < from.n_rows(); ++i) {
    for (std::int64_t j = 0; j < from.n_cols(); ++j) to.row(j)[i] = from.row(i)[j];
  }
}

}  // namespace

bool is_for_muon(const ParameterTensor& p) {
  return p.is_matrix && p.name != kGgufNames.embed && p.name != kGgufNames.head &&
         !p.name.ends_with("ffn_gate_inp.weight");
}

void orthogonalize(ThreadPool& pool, Arena& arena, Tensor x) {
  const ArenaScope scope(arena);
  const std::int64_t n = x.shape.n_values();
  double squares = 0;
  for (std::int64_t i = 0; i < n; ++i) squares += double{x.data[i]} * x.data[i];
  const auto inverse = static_cast<float>(1.0 / (std::sqrt(squares) + 1e-7));
  for (std::int64_t i = 0; i < n; ++i) x.data[i] *= inverse;
  const bool is_high = x.n_rows() > x.n_cols();
  const Tensor wide = is_high ? scratch(arena, x.n_cols(), x.n_rows()) : x;
  if (is_high) transpose(x, wide);
  for (int step = 0; step < kSteps; ++step) newton_schulz_step(pool, arena, wide);
  if (is_high) transpose(wide, x);
}

void update_muon(ThreadPool& pool, Arena& arena, const MuonUpdate& u, const Shape& shape, const float* gradient,
                 float* value, float* m) {
  const ArenaScope scope(arena);
  const Tensor move{arena.allocate_floats(shape.n_values()), shape};
  for (std::int64_t i = 0; i < shape.n_values(); ++i) {
    const float g = gradient[i] * u.gradient_scale;
    m[i] = u.momentum * m[i] + (1.0f - u.momentum) * g;
    move.data[i] = (1.0f - u.momentum) * g + u.momentum * m[i];  // Nesterov's: one step ahead
  }
  orthogonalize(pool, arena, move);
  const float size = u.learning_rate * 0.2f * std::sqrt(static_cast<float>(std::max(move.n_rows(), move.n_cols())));
  for (std::int64_t i = 0; i < shape.n_values(); ++i) value[i] -= u.decay * value[i] + size * move.data[i];
}

}  // namespace r1
