// kernels.h: arithmetic on stored weights, one entry per number format, chosen once for the CPU this process runs on.
//
// y = x * W^T, with W stored in any format and x either f32 (plain float weights, F8E4M3) or quantised to 8 bit per
// block (everything else): the weights stay as they are in memory, because decoding is bound by the bytes read.
//
// Law of every kernel here: y[token][row] depends on that row of W and that row of x alone, not on the tile, the batch
// or the thread it was computed in; its sum over columns always runs in the same order. So prefill equals decode, bit
// for bit. No kernel allocates, throws, locks or knows of threads; sizes are checked by the caller (ops/linear).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/dtype.h"

namespace r1 {

// How matmul wants a row of activations. Layouts are in kernels/activation.h.
enum class ActivationFormat : std::uint8_t {
  kF32,     // as they are
  kQ8_32,   // 8 bit, one f32 scale and sum per 32 values
  kQ8_256,  // 8 bit, one f32 scale per 256 values, sums per 16: what the K-quants' integer scales need
};

std::int64_t activation_row_bytes(ActivationFormat format, std::int64_t n_cols);

struct MatmulArgs {
  const std::byte* w = nullptr;  // [n_rows, n_cols] in the kernel's dtype, rows w_row_bytes apart
  std::int64_t w_row_bytes = 0;
  const float* block_scales = nullptr;  // F8E4M3 only: [ceil(rows / 128), ceil(n_cols / 128)] of the whole tensor
  std::int64_t first_row = 0;           // F8E4M3 only: which row of the whole tensor w points at
  const std::byte* x = nullptr;         // rows in the kernel's ActivationFormat, x_row_bytes apart
  std::int64_t x_row_bytes = 0;
  const std::int32_t* x_rows = nullptr;  // [n_tokens] which rows of x to use; null: rows 0 to n_tokens - 1
  float* y = nullptr;                    // y[token * y_stride + row]
  std::int64_t y_stride = 0;
  int n_rows = 0, n_cols = 0, n_tokens = 0;
  const std::byte* w_next = nullptr;  // float weights: rows laid out alike that are wanted next, or null; to read ahead
};

struct DtypeKernels {
  ActivationFormat activation = ActivationFormat::kF32;
  // n_values is a multiple of the block. F8E4M3 gives and takes values before their block scales.
  void (*dequantize)(const std::byte* src, float* dst, std::int64_t n_values) = nullptr;
  void (*quantize)(const float* src, std::byte* dst, std::int64_t n_values) = nullptr;
  void (*matmul)(const MatmulArgs& args) = nullptr;
};

const DtypeKernels& kernels(Dtype dtype);

// kQ8_32 needs n_cols to be a multiple of 32, kQ8_256 of 256. For kF32 the row is copied.
void quantize_activation(ActivationFormat format, const float* x, std::byte* dst, std::int64_t n_cols);

// Which instruction set was chosen: "AVX2", "AVX-512 (VNNI)", "NEON", "portable". R1_ISA in the environment may lower
// it (tests).
std::string_view instruction_set();

}  // namespace r1
