// turned_weight.cpp: columns are gathered into rows, which become bytes as activations do.
#include "ops/turned_weight.h"

#include <algorithm>

#include "base/float16.h"
#include "kernels/activation.h"
#include "kernels/kernels.h"
#include "kernels/q8_0.h"
#include "ops/linear.h"

namespace r1 {
namespace {

constexpr int kColumns = 16;  // gathered at a time, a cache line of each stored row; they divide any format's block

std::int64_t up_to_16(std::int64_t n) { return (n + 15) / 16 * 16; }

std::int64_t row_floats(std::int64_t n) { return activation_row_bytes(ActivationFormat::kQ8_32, n) / 4; }

// `as_bytes`: a row in kQ8_32.
void write_blocks(const std::byte* as_bytes, std::int64_t n, Q8_0::Block* blocks) {
  const Q8_32Row row(as_bytes, n);
  for (std::int64_t b = 0; b < n / Q8_0::kBlockValues; ++b) {
    blocks[b].d = scale_to_f16(row.d[b]);
    std::copy_n(row.q + b * Q8_0::kBlockValues, Q8_0::kBlockValues, blocks[b].qs);
  }
}

}  // namespace

bool can_be_turned(const Weight& w) {
  return kernels(w.dtype).activation != ActivationFormat::kF32 && w.n_rows() % Q8_0::kBlockValues == 0;
}

std::int64_t turned_floats(std::int64_t n_rows, std::int64_t n_cols) {
  const std::int64_t values = up_to_16(n_rows * n_cols);
  if (n_rows % Q8_0::kBlockValues != 0) return values;
  const std::int64_t result = up_to_16(n_cols * bytes_of(Dtype::kQ8_0, n_rows) / 4 + 1);
  return result + values + up_to_16(kColumns * n_rows) + row_floats(n_rows);
}

Weight turn(const Weight& w, float* scratch) {
  const std::int64_t n_rows = w.n_rows(), n_cols = w.n_cols();
  Weight turned{.data = reinterpret_cast<const std::byte*>(scratch), .dtype = Dtype::kQ8_0, .shape = {n_cols, n_rows}};
  auto* blocks = reinterpret_cast<Q8_0::Block*>(scratch);
  float* values = scratch + up_to_16(turned.n_bytes() / 4 + 1);
  float* columns = values + up_to_16(n_rows * n_cols);  // [kColumns, n_rows]
  auto* as_bytes = reinterpret_cast<std::byte*>(columns + up_to_16(kColumns * n_rows));
  dequantize_rows(w, values);
  for (std::int64_t first = 0; first < n_cols; first += kColumns) {
    for (std::int64_t row = 0; row < n_rows; ++row) {
      for (std::int64_t c = 0; c < kColumns; ++c) columns[c * n_rows + row] = values[row * n_cols + first + c];
    }
    for (std::int64_t c = 0; c < kColumns; ++c, blocks += n_rows / Q8_0::kBlockValues) {
      quantize_activation(ActivationFormat::kQ8_32, columns + c * n_rows, as_bytes, n_rows);
      write_blocks(as_bytes, n_rows, blocks);
    }
  }
  return turned;
}

}  // namespace r1
