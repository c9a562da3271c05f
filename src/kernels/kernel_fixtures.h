// kernel_fixtures.h: for tests and benchmarks: random weights of any format and random activations.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <vector>

#include "base/dtype.h"
#include "base/rng.h"
#include "kernels/formats.h"
#include "kernels/instruction_set.h"
#include "kernels/kernels.h"

namespace r1 {

inline constexpr Dtype kMultipliedDtypes[] = {Dtype::kF32,  Dtype::kF16,  Dtype::kBF16,   Dtype::kF8E4M3,
                                              Dtype::kQ4_0, Dtype::kQ4_1, Dtype::kQ5_0,   Dtype::kQ5_1,
                                              Dtype::kQ8_0, Dtype::kQ2_K, Dtype::kQ3_K,   Dtype::kQ4_K,
                                              Dtype::kQ5_K, Dtype::kQ6_K, Dtype::kIQ4_NL, Dtype::kIQ4_XS};

// SSE4 has no fused multiply-add: its results differ in the last bits.
inline bool is_exact(const InstructionSet& set) { return set.isa != "sse4"; }

// As an arena or a mapped tensor would be aligned.
template <typename T>
struct AlignedAllocator {
  using value_type = T;
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* p, std::size_t) { ::operator delete (p, std::align_val_t{64}); }
  bool operator==(const AlignedAllocator&) const = default;
};
using Bytes = std::vector<std::byte, AlignedAllocator<std::byte>>;

inline std::vector<float> random_floats(std::int64_t n, std::uint64_t stream, float scale = 1.0f) {
  Rng rng(7, stream);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = scale * rng.normal();
  return values;
}

inline Bytes random_bytes(std::int64_t n, std::uint64_t stream) {
  Rng rng(8, stream);
  Bytes bytes(static_cast<std::size_t>(n));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.below(256));
  return bytes;
}

// Every bit pattern of lanes and integer scales, with half-float scales of a usual size.
template <typename Format>
Bytes random_blocks(std::int64_t n_values) {
  const std::int64_t n_blocks = n_values / Format::kBlockValues;
  auto bytes = random_bytes(n_blocks * std::int64_t{sizeof(typename Format::Block)}, 1);
  auto* blocks = reinterpret_cast<typename Format::Block*>(bytes.data());
  Rng rng(9, 1);
  for (std::int64_t b = 0; b < n_blocks; ++b) {
    blocks[b].d = f32_to_f16(0.01f * rng.normal());
    if constexpr (requires { blocks[b].dmin; }) blocks[b].dmin = f32_to_f16(0.01f * rng.normal());
    if constexpr (requires { blocks[b].m; }) blocks[b].m = f32_to_f16(0.05f * rng.normal());
  }
  return bytes;
}

template <typename... Formats>
Bytes random_blocks_of(Dtype dtype, std::int64_t n_values, FormatList<Formats...>) {
  Bytes bytes;
  ((Formats::kDtype == dtype ? void(bytes = random_blocks<Formats>(n_values)) : void()), ...);
  return bytes;
}

inline Bytes random_weights(Dtype dtype, std::int64_t n_values) {
  if (traits(dtype).block_values > 1) return random_blocks_of(dtype, n_values, BlockFormats{});
  Bytes bytes(static_cast<std::size_t>(bytes_of(dtype, n_values)));
  kernels(dtype).quantize(random_floats(n_values, 3, 0.1f).data(), bytes.data(), n_values);
  return bytes;
}

// Rows of activations as matmul wants them, with the values they stand for.
struct QuantizedActivations {
  ActivationFormat format;
  std::int64_t row_bytes;
  Bytes bytes;
};

inline QuantizedActivations quantized_activations(Dtype dtype, const std::vector<float>& x, int n_rows) {
  const ActivationFormat format = kernels(dtype).activation;
  const std::int64_t n_cols = static_cast<std::int64_t>(x.size()) / n_rows;
  QuantizedActivations out{format, activation_row_bytes(format, n_cols), {}};
  out.bytes.resize(static_cast<std::size_t>(out.row_bytes * n_rows));
  for (int row = 0; row < n_rows; ++row) {
    quantize_activation(format, x.data() + row * n_cols, out.bytes.data() + row * out.row_bytes, n_cols);
  }
  return out;
}

}  // namespace r1
