// gemm.cpp: b is packed piece by piece by all threads, then rows and columns of the result are cut among them.
#include "ops/gemm.h"

#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "kernels/gemm.h"

namespace r1 {
namespace {

constexpr int kPieceOfColumns = 1024;             // lines of b packed at a time: with kGemmPieceOfK 2 MB
constexpr int kRowsWorthPacking = 96;             // fewer rows a task, and packing them would cost more than it should
constexpr std::int64_t kWorthStarting = 500'000;  // multiplications of a task: some 10 us
constexpr int kTasksPerThread = 4;                // even out their ends

int n_of(std::int64_t size) {
  R1_ASSERT(size <= std::numeric_limits<int>::max(), "a side of a matrix fits 32 bits");
  return static_cast<int>(size);
}

GemmOperand by_rows(Tensor m) { return rows_of(m.data, n_of(m.n_rows()), n_of(m.n_cols()), m.n_cols()); }
GemmOperand by_columns(Tensor m) { return columns_of(m.data, n_of(m.n_rows()), n_of(m.n_cols()), m.n_cols()); }

// Where part i of n begins.
int begin_of(int i, int n, int size) { return static_cast<int>(std::int64_t{size} * i / n); }

void pack(ThreadPool& pool, const GemmOperand& b, float* packed) {
  const int panel = gemm_panel_lines();
  pool.run((b.n_lines + panel - 1) / panel, [&](int task, int) {
    const int first = task * panel;
    gemm_pack(b.lines(first, std::min(panel, b.n_lines - first)), packed + std::int64_t{first} * b.n_k);
  });
}

// Cuts rows, and columns as well where there are too few rows for every thread.
void multiply(ThreadPool& pool, const GemmArgs& all) {
  const int panel = gemm_panel_lines(), n_panels = (all.n_columns + panel - 1) / panel, n_rows = all.a.n_lines;
  const std::int64_t n_products = std::int64_t{n_rows} * all.n_columns * all.a.n_k;
  const int most = pool.n_threads() == 1 ? 1 : pool.n_threads() * kTasksPerThread;
  const int wanted = static_cast<int>(std::clamp<std::int64_t>(n_products / kWorthStarting, 1, most));
  const int row_parts = std::clamp(n_rows / kRowsWorthPacking, 1, wanted);
  const int column_parts = std::clamp(wanted / row_parts, 1, std::max(1, n_panels));
  pool.run(row_parts * column_parts, [&](int task, int) {
    const int row_part = task / column_parts, column_part = task % column_parts;
    const int row = begin_of(row_part, row_parts, n_rows), end_row = begin_of(row_part + 1, row_parts, n_rows);
    const int column = begin_of(column_part, column_parts, n_panels) * panel;
    const int end_column = std::min(begin_of(column_part + 1, column_parts, n_panels) * panel, all.n_columns);
    GemmArgs part = all;
    part.a = all.a.lines(row, end_row - row);
    part.packed_b += std::int64_t{column} * all.a.n_k;
    part.c += row * all.c_row_step + column;
    part.n_columns = end_column - column;
    gemm(part);
  });
}

// c [a lines, b lines] (+)= a b^T
void multiply(ThreadPool& pool, Arena& arena, const GemmOperand& a, const GemmOperand& b, Tensor c, GemmInto into) {
  const ArenaScope scope(arena);
  const int n_columns = std::min(b.n_lines, kPieceOfColumns), n_k = std::min(b.n_k, kGemmPieceOfK);
  float* packed = arena.allocate_floats(gemm_packed_floats(n_columns, n_k));
  for (int column = 0; column < b.n_lines; column += kPieceOfColumns) {
    const GemmOperand columns = b.lines(column, std::min(n_columns, b.n_lines - column));
    for (int k = 0; k == 0 || k < b.n_k; k += kGemmPieceOfK) {  // an empty k too: it makes zeros
      const int count = std::min(n_k, b.n_k - k);
      pack(pool, columns.range_of_k(k, count), packed);
      multiply(pool, {.a = a.range_of_k(k, count),
                      .packed_b = packed,
                      .c = c.data + column,
                      .c_row_step = c.n_cols(),
                      .n_columns = columns.n_lines,
                      .into = k > 0 ? GemmInto::kAccumulate : into});
    }
  }
}

}  // namespace

void multiply_by_weight(ThreadPool& pool, Arena& arena, Tensor x, Tensor w, Tensor y) {
  R1_ASSERT(x.n_cols() == w.n_cols(), "x and w must agree on n_in");
  R1_SHAPE(y, {x.n_rows(), w.n_rows()});
  multiply(pool, arena, by_rows(x), by_rows(w), y, GemmInto::kOverwrite);
}

void add_input_gradient(ThreadPool& pool, Arena& arena, Tensor d_y, Tensor w, Tensor d_x) {
  R1_ASSERT(d_y.n_cols() == w.n_rows(), "d_y and w must agree on n_out");
  R1_SHAPE(d_x, {d_y.n_rows(), w.n_cols()});
  multiply(pool, arena, by_rows(d_y), by_columns(w), d_x, GemmInto::kAccumulate);
}

void add_weight_gradient(ThreadPool& pool, Arena& arena, Tensor d_y, Tensor x, Tensor d_w) {
  R1_ASSERT(d_y.n_rows() == x.n_rows(), "d_y and x must agree on tokens");
  R1_SHAPE(d_w, {d_y.n_cols(), x.n_cols()});
  multiply(pool, arena, by_columns(d_y), by_columns(x), d_w, GemmInto::kAccumulate);
}

}  // namespace r1
