// synth_weights.cpp: draws, rearranges, quantises.
#include "apps/synth_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "kernels/kernels.h"

namespace r1 {
namespace {

constexpr std::int64_t kMaxDrawnValues = std::int64_t{1} << 18;  // larger matrices come from a pool
constexpr std::size_t kPoolPieces = 4096, kMaxPieceValues = 256;
constexpr std::uint64_t kPoolStream = 0x706f6f6c;  // "pool"
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::int64_t kFp8Block = 128;
constexpr float kFp8Max = 448.0f;
constexpr float kFp8PoolStddev = kFp8Max / 3.5f;  // nearly_normal() stays within 3.47 deviations

// ---- views --------------------------------------------------------------------------------------------------------

// Row 2i of a head is row i, row 2i + 1 is row i + half.
std::vector<float> rotary_pairs(const std::vector<float>& values, const RandomMatrix& m, const MatrixView& view) {
  std::vector<float> result(values.size());
  const std::int64_t head_rows = m.n_rows / view.n_heads, half = head_rows / 2;
  for (std::int64_t row = 0; row < m.n_rows; ++row) {
    const std::int64_t head = row / head_rows, place = row % head_rows;
    const std::int64_t source = head * head_rows + place / 2 + (place % 2) * half;
    std::copy_n(values.begin() + source * m.n_cols, m.n_cols, result.begin() + row * m.n_cols);
  }
  return result;
}

std::vector<float> keys(const std::vector<float>& values, const RandomMatrix& m, const MatrixView& view) {
  const std::int64_t head_rows = m.n_rows / view.n_heads;
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(view.n_heads * view.n_first * m.n_cols));
  for (std::int64_t head = 0; head < view.n_heads; ++head) {
    for (std::int64_t col = 0; col < m.n_cols; ++col) {
      for (std::int64_t row = 0; row < view.n_first; ++row) {
        result.push_back(values[static_cast<std::size_t>((head * head_rows + row) * m.n_cols + col)]);
      }
    }
  }
  return result;
}

std::vector<float> head_values(const std::vector<float>& values, const RandomMatrix& m, const MatrixView& view) {
  const std::int64_t head_rows = m.n_rows / view.n_heads;
  std::vector<float> result;
  for (std::int64_t head = 0; head < view.n_heads; ++head) {
    const auto first = values.begin() + (head * head_rows + view.n_first) * m.n_cols;
    result.insert(result.end(), first, first + (head_rows - view.n_first) * m.n_cols);
  }
  return result;
}

// ---- FP8 with block scales ----------------------------------------------------------------------------------------

std::int64_t n_blocks(std::int64_t n) { return (n + kFp8Block - 1) / kFp8Block; }

// [ceil(rows / 128), ceil(cols / 128)]: the largest magnitude of a block becomes FP8's largest number.
std::vector<float> fp8_scales(const std::vector<float>& values, const RandomMatrix& m) {
  std::vector<float> scales(static_cast<std::size_t>(n_blocks(m.n_rows) * n_blocks(m.n_cols)), 0.0f);
  for (std::int64_t row = 0; row < m.n_rows; ++row) {
    for (std::int64_t col = 0; col < m.n_cols; ++col) {
      float& scale = scales[static_cast<std::size_t>(row / kFp8Block * n_blocks(m.n_cols) + col / kFp8Block)];
      scale = std::max(scale, std::fabs(values[static_cast<std::size_t>(row * m.n_cols + col)]) / kFp8Max);
    }
  }
  return scales;
}

void divide_by_fp8_scales(std::vector<float>& values, const RandomMatrix& m) {
  const std::vector<float> scales = fp8_scales(values, m);
  for (std::int64_t row = 0; row < m.n_rows; ++row) {
    for (std::int64_t col = 0; col < m.n_cols; ++col) {
      const float scale = scales[static_cast<std::size_t>(row / kFp8Block * n_blocks(m.n_cols) + col / kFp8Block)];
      if (scale > 0.0f) values[static_cast<std::size_t>(row * m.n_cols + col)] /= scale;
    }
  }
}

// ---- quantising ---------------------------------------------------------------------------------------------------

std::vector<std::byte> quantized(const std::vector<float>& values, Dtype dtype) {
  const auto n = static_cast<std::int64_t>(values.size());
  std::vector<std::byte> bytes(static_cast<std::size_t>(bytes_of(dtype, n)));
  kernels(dtype).quantize(values.data(), bytes.data(), n);
  return bytes;
}

std::vector<float> viewed(std::vector<float> values, const RandomMatrix& matrix, const SynthTensor& tensor) {
  switch (tensor.view.kind) {
    case MatrixView::Kind::kRotaryPairs:
      return rotary_pairs(values, matrix, tensor.view);
    case MatrixView::Kind::kKeys:
      return keys(values, matrix, tensor.view);
    case MatrixView::Kind::kValues:
      return head_values(values, matrix, tensor.view);
    case MatrixView::Kind::kFp8Scales:
      return fp8_scales(values, matrix);
    case MatrixView::Kind::kWhole:
      break;
  }
  if (tensor.announced.dtype == Dtype::kF8E4M3) divide_by_fp8_scales(values, matrix);
  return values;
}

// The longest piece that rows of n_cols values are whole runs of and that holds whole blocks; 0: there is none.
std::int64_t piece_values_for(std::int64_t n_cols, Dtype dtype) {
  for (std::int64_t n = kMaxPieceValues; n >= 32; n /= 2) {
    if (n_cols % n == 0 && n % traits(dtype).block_values == 0) return n;
  }
  return 0;
}

}  // namespace

// Four uniform 16-bit numbers summed: close enough to a normal distribution, at a tenth of the cost of an exact one,
// and without the far outliers that would decide the scale of a quantised block.
static float nearly_normal(std::uint64_t bits) {
  constexpr float kMean = 2 * 65535, kStddev = 37837.2f;  // of the sum; sqrt(4 * 65536^2 / 12)
  const std::uint64_t sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
  return (static_cast<float>(sum) - kMean) / kStddev;
}

std::vector<float> SynthWeights::draw(const RandomMatrix& matrix) const {
  Rng rng(seed_, matrix.stream);
  std::vector<float> values(static_cast<std::size_t>(matrix.n_values()));
  for (float& value : values) value = matrix.mean + matrix.stddev * nearly_normal(rng.bits());
  return values;
}

const SynthWeights::Pool& SynthWeights::pool(Dtype dtype, float mean, float stddev, std::int64_t piece_values) {
  Pool& pool = pools_[{dtype, mean, stddev, piece_values}];
  if (!pool.empty()) return pool;
  if (normals_.empty()) normals_ = draw({kPoolStream, kPoolPieces, kMaxPieceValues});
  std::vector<float> values(normals_.begin(),
                            normals_.begin() + static_cast<std::ptrdiff_t>(kPoolPieces) * piece_values);
  for (float& value : values) value = mean + stddev * value;
  return pool = quantized(values, dtype);
}

Status SynthWeights::write_drawn(const RandomMatrix& matrix, const SynthTensor& tensor, const TensorSink& sink) {
  return sink(quantized(viewed(draw(matrix), matrix, tensor), tensor.announced.dtype));
}

Status SynthWeights::write_from_pool(const RandomMatrix& matrix, const SynthTensor& tensor, const TensorSink& sink) {
  const Dtype dtype = tensor.announced.dtype;
  const std::int64_t piece_values = piece_values_for(tensor.announced.shape.last(), dtype);
  const float stddev = dtype == Dtype::kF8E4M3 ? kFp8PoolStddev : matrix.stddev;
  const Pool& pieces = pool(dtype, matrix.mean, stddev, piece_values);
  const auto piece_bytes = static_cast<std::size_t>(bytes_of(dtype, piece_values));
  const std::int64_t n_matrices = static_cast<std::int64_t>(tensor.matrices.size());
  std::int64_t n_pieces = tensor.announced.shape.n_values() / n_matrices / piece_values;

  Rng rng(seed_, matrix.stream);
  std::vector<std::byte> buffer(kBufferBytes / piece_bytes * piece_bytes);
  while (n_pieces > 0) {
    const std::size_t n = std::min(static_cast<std::size_t>(n_pieces), buffer.size() / piece_bytes);
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < n; ++i, bits /= kPoolPieces) {
      if (i % 5 == 0) bits = rng.bits();  // 64 bits are five choices of 12
      std::memcpy(&buffer[i * piece_bytes], &pieces[bits % kPoolPieces * piece_bytes], piece_bytes);
    }
    R1_TRY_STATUS(sink(std::span(buffer).first(n * piece_bytes)));
    n_pieces -= static_cast<std::int64_t>(n);
  }
  return {};
}

Status SynthWeights::write_scales_of_pool(const RandomMatrix& matrix, const TensorSink& sink) const {
  Rng rng(seed_, matrix.stream);
  std::vector<float> scales(static_cast<std::size_t>(n_blocks(matrix.n_rows) * n_blocks(matrix.n_cols)));
  for (float& scale : scales) {
    scale = matrix.stddev / kFp8PoolStddev * (0.75f + 0.5f * static_cast<float>(rng.uniform()));
  }
  return sink(std::as_bytes(std::span(scales)));
}

Status SynthWeights::write(const SynthTensor& tensor, const TensorSink& sink) {
  if (!tensor.values.empty()) return sink(quantized(tensor.values, tensor.announced.dtype));
  for (const RandomMatrix& matrix : tensor.matrices) {
    const bool is_scales = tensor.view.kind == MatrixView::Kind::kFp8Scales;  // must follow what their matrix does
    const std::int64_t row_values = is_scales ? matrix.n_cols : tensor.announced.shape.last();
    if (matrix.n_values() <= kMaxDrawnValues || piece_values_for(row_values, tensor.announced.dtype) == 0) {
      R1_TRY_STATUS(write_drawn(matrix, tensor, sink));
    } else if (is_scales) {
      R1_TRY_STATUS(write_scales_of_pool(matrix, sink));
    } else {
      R1_TRY_STATUS(write_from_pool(matrix, tensor, sink));
    }
  }
  return {};
}

}  // namespace r1
