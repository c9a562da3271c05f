// portable.cpp: the kernels in plain C++, written to be read: the definition of what a product is.
//
// Block formats: the integer product of a weight block with an activation block is exact; only then floats come in,
// once per block, in order of blocks. So any tiling and any vector width gives the same bits:
//   y = fma(d_w * isum - dmin_w * msum, d_x, y), the inner subtraction fused as well
// with isum = sum over groups of scale * (lanes . q) and msum = sum over groups of min * sum(q).
#include "kernels/sets.h"

#include <algorithm>
#include <cmath>

#include "kernels/activation.h"
#include "kernels/codec.h"
#include "kernels/exp.h"
#include "kernels/formats.h"
#include "kernels/machine_probe.h"
#include "kernels/plain_floats.h"

namespace r1 {
namespace {

const std::byte* activation_row(const MatmulArgs& args, int token) {
  const std::int64_t row = args.x_rows == nullptr ? token : args.x_rows[token];
  return args.x + row * args.x_row_bytes;
}

template <typename Format>
float block_product(const Unpacked& u, const std::int8_t* q) {
  int isum = 0, msum = 0;
  for (int g = 0; g < Format::kBlockValues / Format::kGroup; ++g) {
    int group_sum = 0, q_sum = 0;
    for (int c = g * Format::kGroup; c < (g + 1) * Format::kGroup; ++c) {
      group_sum += u.lane[c] * q[c];
      q_sum += q[c];
    }
    isum += u.scale[g] * group_sum;
    if constexpr (Format::kHasMin) msum += u.min[g] * q_sum;
  }
  const float product = u.d * static_cast<float>(isum);
  if constexpr (!Format::kHasMin) return product;
  return std::fma(-u.dmin, static_cast<float>(msum), product);
}

template <typename Format>
float activation_scale(const std::byte* row, int n_cols, int block) {
  if constexpr (Format::kBlockValues == 32) return Q8_32Row(row, n_cols).d[block];
  return Q8_256Row(row, n_cols).d[block];
}

template <typename Format>
void matmul_blocks(const MatmulArgs& args) {
  using Block = typename Format::Block;
  Unpacked u;
  for (int row = 0; row < args.n_rows; ++row) {
    const auto* blocks = reinterpret_cast<const Block*>(args.w + row * args.w_row_bytes);
    for (int token = 0; token < args.n_tokens; ++token) args.y[token * args.y_stride + row] = 0;
    for (int b = 0; b < args.n_cols / Format::kBlockValues; ++b) {
      Format::unpack(blocks[b], u);
      for (int token = 0; token < args.n_tokens; ++token) {
        const std::byte* x = activation_row(args, token);
        const auto* q = reinterpret_cast<const std::int8_t*>(x) + b * Format::kBlockValues;
        float& y = args.y[token * args.y_stride + row];
        y = std::fma(block_product<Format>(u, q), activation_scale<Format>(x, args.n_cols, b), y);
      }
    }
  }
}

float add_lanes(float* lanes) {
  for (int half = kFloatLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// The weights from one column on, up to 16 of them, as f32; zeros beyond the row.
template <typename Format>
void decode_lanes(const std::byte* row, int n_left, float* lanes) {
  using Stored = typename Format::Stored;
  for (int i = 0; i < kFloatLanes; ++i) {
    lanes[i] = i < n_left ? Format::decode(load_unaligned<Stored>(row + i * sizeof(Stored))) : 0.0f;
  }
}

template <typename Format>
float row_product(const MatmulArgs& args, int row, const float* x) {
  using Stored = typename Format::Stored;
  const std::byte* w = args.w + row * args.w_row_bytes;
  const float* scales = nullptr;
  if constexpr (Format::kDtype == Dtype::kF8E4M3) {
    const std::int64_t scale_cols = (args.n_cols + kF8ScaleBlock - 1) / kF8ScaleBlock;
    scales = args.block_scales + (args.first_row + row) / kF8ScaleBlock * scale_cols;
  }
  float y = 0;
  for (int chunk = 0; chunk < args.n_cols; chunk += kFloatChunk) {
    float sums[kFloatLanes] = {};
    for (int c = chunk; c < std::min(chunk + kFloatChunk, args.n_cols); c += kFloatLanes) {
      float lanes[kFloatLanes];
      decode_lanes<Format>(w + c * static_cast<std::int64_t>(sizeof(Stored)), args.n_cols - c, lanes);
      for (int i = 0; i < kFloatLanes; ++i) {
        const float weight = scales == nullptr ? lanes[i] : lanes[i] * scales[c / kF8ScaleBlock];
        sums[i] = std::fma(weight, c + i < args.n_cols ? x[c + i] : 0.0f, sums[i]);
      }
    }
    y += add_lanes(sums);
  }
  return y;
}

template <typename Format>
void matmul_floats(const MatmulArgs& args) {
  for (int token = 0; token < args.n_tokens; ++token) {
    const auto* x = reinterpret_cast<const float*>(activation_row(args, token));
    for (int row = 0; row < args.n_rows; ++row) {
      args.y[token * args.y_stride + row] = row_product<Format>(args, row, x);
    }
  }
}

// The scale of a block of activations and its integers. The largest magnitude is found on the bits, whose order is that
// of the magnitudes and puts NaN last: a NaN becomes the scale and so reaches the result.
float quantize_block(const float* x, std::int8_t* q, int n) {
  std::uint32_t largest_bits = 0;
  for (int i = 0; i < n; ++i) largest_bits = std::max(largest_bits, std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu);
  const auto largest = std::bit_cast<float>(largest_bits);
  if (largest < kSmallestActivation) {
    std::fill(q, q + n, std::int8_t{0});
    return 0;
  }
  const float inverse = 127.0f / largest;
  for (int i = 0; i < n; ++i) {
    float rounded = std::nearbyint(x[i] * inverse);
    rounded = rounded > -127.0f ? rounded : -127.0f;  // NaN too
    q[i] = static_cast<std::int8_t>(rounded < 127.0f ? rounded : 127.0f);
  }
  return largest / 127.0f;
}

int sum_of(const std::int8_t* q, int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += q[i];
  return sum;
}

void quantize_q8_32(const float* x, std::byte* dst, std::int64_t n_cols) {
  const Q8_32Planes row(dst, n_cols);
  for (std::int64_t b = 0; b < n_cols / 32; ++b) {
    row.d[b] = quantize_block(x + 32 * b, row.q + 32 * b, 32);
    row.sum[b] = static_cast<float>(sum_of(row.q + 32 * b, 32));
  }
}

void quantize_q8_256(const float* x, std::byte* dst, std::int64_t n_cols) {
  const Q8_256Planes row(dst, n_cols);
  for (std::int64_t b = 0; b < n_cols / 256; ++b) row.d[b] = quantize_block(x + 256 * b, row.q + 256 * b, 256);
  for (std::int64_t g = 0; g < n_cols / 16; ++g) {
    row.sums_16[g] = static_cast<std::int16_t>(sum_of(row.q + 16 * g, 16));
  }
  for (std::int64_t g = 0; g < n_cols / 32; ++g) {
    row.sums_32[g] = static_cast<std::int16_t>(sum_of(row.q + 32 * g, 32));
  }
}

void quantize_row(ActivationFormat format, const float* x, std::byte* dst, std::int64_t n_cols) {
  switch (format) {
    case ActivationFormat::kF32:
      std::memcpy(dst, x, static_cast<std::size_t>(n_cols) * sizeof(float));
      return;
    case ActivationFormat::kQ8_32:
      return quantize_q8_32(x, dst, n_cols);
    case ActivationFormat::kQ8_256:
      return quantize_q8_256(x, dst, n_cols);
  }
}

float dot_row(const float* a, const float* b, std::int64_t n) {
  float total = 0;
  for (std::int64_t chunk = 0; chunk < n; chunk += kFloatChunk) {
    float sums[kFloatLanes] = {};
    for (std::int64_t i = chunk; i < std::min(chunk + kFloatChunk, n); ++i) {
      sums[i % kFloatLanes] = std::fma(a[i], b[i], sums[i % kFloatLanes]);
    }
    total += add_lanes(sums);
  }
  return total;
}

float dot3_row(const float* a, const float* b, const float* c, std::int64_t n) {
  float total = 0;
  for (std::int64_t chunk = 0; chunk < n; chunk += kFloatChunk) {
    float sums[kFloatLanes] = {};
    for (std::int64_t i = chunk; i < std::min(chunk + kFloatChunk, n); ++i) {
      sums[i % kFloatLanes] = std::fma(a[i] * b[i], c[i], sums[i % kFloatLanes]);
    }
    total += add_lanes(sums);
  }
  return total;
}

float max_of_row(const float* x, std::int64_t n) { return *std::max_element(x, x + n); }

void add_rows(const float* a, const float* b, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void scale_row(float* x, float factor, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

void add_scaled_row(const float* x, float factor, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = std::fma(factor, x[i], y[i]);
}

void add_scaled_product_row(const float* a, const float* b, float factor, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = std::fma(factor * a[i], b[i], y[i]);
}

void rms_norm_row(const float* x, const float* weight, float eps, float* y, std::int64_t n) {
  const float mean = dot_row(x, x, n) / static_cast<float>(n);
  const float inverse = 1.0f / std::sqrt(mean + eps);
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * inverse * weight[i];
}

float exp_and_sum_row(float* x, float shift, std::int64_t n) {
  float total = 0;
  for (std::int64_t chunk = 0; chunk < n; chunk += kFloatChunk) {
    float sums[kFloatLanes] = {};
    for (std::int64_t i = chunk; i < std::min(chunk + kFloatChunk, n); ++i) {
      x[i] = exp_one(x[i] - shift);
      sums[i % kFloatLanes] += x[i];
    }
    total += add_lanes(sums);
  }
  return total;
}

void sigmoid_row(float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = 1.0f / (1.0f + exp_one(-x[i]));
}

void silu_mul_row(const float* gate, const float* up, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = gate[i] / (1.0f + exp_one(-gate[i])) * up[i];
}

template <typename Format>
void accumulate(const AccumulateArgs& args) {
  using Stored = typename Format::Stored;
  for (int token = 0; token < args.n_tokens; ++token) {
    float* y = args.y + token * args.y_stride;
    for (int c = 0; c < args.n_cols; ++c) y[c] = args.alpha == nullptr ? 0.0f : args.alpha[token] * y[c];
    for (int r = 0; r < args.n_rows; ++r) {
      const std::byte* w = args.w + r * args.w_row_bytes;
      const float x = args.x[token * args.x_stride + r];
      for (int c = 0; c < args.n_cols; ++c) {
        y[c] = std::fma(x, Format::decode(load_unaligned<Stored>(w + c * sizeof(Stored))), y[c]);
      }
    }
  }
}

void accumulate_any(const AccumulateArgs& args) {
  if (args.dtype == Dtype::kF16) return accumulate<F16>(args);
  if (args.dtype == Dtype::kBF16) return accumulate<BF16>(args);
  return accumulate<F32>(args);
}

constexpr int kGemmPanelLines = 8;

void pack_panels(const GemmOperand& b, float* packed) {
  for (int first = 0; first < b.n_lines; first += kGemmPanelLines) {
    for (int k = 0; k < b.n_k; ++k) {
      for (int line = first; line < first + kGemmPanelLines; ++line) {
        *packed++ = line < b.n_lines ? b.data[line * b.line_step + k * b.k_step] : 0.0f;
      }
    }
  }
}

void multiply_gemm(const GemmArgs& args) {
  const GemmOperand& a = args.a;
  for (int i = 0; i < a.n_lines; ++i) {
    for (int j = 0; j < args.n_columns; ++j) {
      const float* panel = args.packed_b + std::int64_t{j / kGemmPanelLines} * kGemmPanelLines * a.n_k;
      float& c = args.c[i * args.c_row_step + j];
      for (int k0 = 0; k0 < a.n_k; k0 += kGemmBlock) {
        float sum = 0;
        for (int k = k0; k < std::min(k0 + kGemmBlock, a.n_k); ++k) {
          sum = std::fma(a.data[i * a.line_step + k * a.k_step],
                         panel[std::int64_t{k} * kGemmPanelLines + j % kGemmPanelLines], sum);
        }
        c = k0 > 0 || args.into == GemmInto::kAccumulate ? c + sum : sum;
      }
    }
  }
}

template <typename... Formats>
constexpr void add_block_formats(InstructionSet& set, FormatList<Formats...>) {
  ((set.matmul[static_cast<int>(Formats::kDtype)] = matmul_blocks<Formats>), ...);
}

std::uint64_t read_probe(const std::byte* data, std::int64_t n_bytes) {
  std::uint64_t sum = 0;
  for (std::int64_t at = 0; at < n_bytes; at += 8) sum += load_unaligned<std::uint64_t>(data + at);
  return sum;
}

ProbeRun fma_probe(std::int64_t n_rounds) {
  constexpr int kSums = 80;
  float sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = static_cast<float>(i);
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    for (float& sum : sums) sum = std::fma(sum, 0.999f, 0.001f);
  }
  return {2.0 * kSums * static_cast<double>(n_rounds), sums[0]};
}

ProbeRun int8_probe(std::int64_t n_rounds) {
  constexpr int kProducts = 256;
  std::uint32_t sum = 0;  // unsigned: it wraps round
  std::int8_t w[kProducts], x[kProducts];
  std::fill(std::begin(w), std::end(w), std::int8_t{3});
  std::fill(std::begin(x), std::end(x), std::int8_t{-2});
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    for (int i = 0; i < kProducts; ++i) sum += static_cast<std::uint32_t>(w[i] * x[i]);
  }
  return {2.0 * kProducts * static_cast<double>(n_rounds), static_cast<double>(sum)};
}

constexpr InstructionSet make_portable() {
  InstructionSet set{.name = "portable",
                     .isa = "portable",
                     .quantize_activation = quantize_row,
                     .widen_f16 = dequantize_floats<F16>,
                     .widen_bf16 = dequantize_floats<BF16>,
                     .dot = dot_row,
                     .dot3 = dot3_row,
                     .max_value = max_of_row,
                     .add = add_rows,
                     .scale = scale_row,
                     .add_scaled = add_scaled_row,
                     .add_scaled_product = add_scaled_product_row,
                     .rms_norm = rms_norm_row,
                     .exp_and_sum = exp_and_sum_row,
                     .sigmoid = sigmoid_row,
                     .silu_mul = silu_mul_row,
                     .accumulate_rows = accumulate_any,
                     .gemm_panel_lines = kGemmPanelLines,
                     .gemm_pack = pack_panels,
                     .gemm = multiply_gemm,
                     .probe_read = read_probe,
                     .probe_fma = fma_probe,
                     .probe_int8 = int8_probe};
  add_block_formats(set, BlockFormats{});
  set.matmul[static_cast<int>(Dtype::kF32)] = matmul_floats<F32>;
  set.matmul[static_cast<int>(Dtype::kF16)] = matmul_floats<F16>;
  set.matmul[static_cast<int>(Dtype::kBF16)] = matmul_floats<BF16>;
  set.matmul[static_cast<int>(Dtype::kF8E4M3)] = matmul_floats<F8E4M3>;
  return set;
}

}  // namespace

constinit const InstructionSet kPortable = make_portable();

}  // namespace r1
