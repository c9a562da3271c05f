// codec.h: whole rows from and to f32, for every format. Encoding and decoding are not hot: plain C++.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/block.h"
#include "kernels/plain_floats.h"

namespace r1 {

template <typename Format>
void dequantize_blocks(const std::byte* src, float* dst, std::int64_t n_values) {
  using Block = typename Format::Block;
  const auto* blocks = reinterpret_cast<const Block*>(src);
  Unpacked u;
  for (std::int64_t b = 0; b < n_values / Format::kBlockValues; ++b, dst += Format::kBlockValues) {
    Format::unpack(blocks[b], u);
    for (int g = 0; g < Format::kBlockValues / Format::kGroup; ++g) {
      const float scale = u.d * static_cast<float>(u.scale[g]);
      const float offset = Format::kHasMin ? u.dmin * static_cast<float>(u.min[g]) : 0.0f;
      for (int c = g * Format::kGroup; c < (g + 1) * Format::kGroup; ++c) {
        dst[c] = scale * static_cast<float>(u.lane[c]);
        if constexpr (Format::kHasMin) dst[c] -= offset;
      }
    }
  }
}

template <typename Format>
void quantize_blocks(const float* src, std::byte* dst, std::int64_t n_values) {
  using Block = typename Format::Block;
  auto* blocks = reinterpret_cast<Block*>(dst);
  for (std::int64_t b = 0; b < n_values / Format::kBlockValues; ++b) {
    Format::encode(src + b * Format::kBlockValues, blocks[b]);
  }
}

template <typename Format>
void dequantize_floats(const std::byte* src, float* dst, std::int64_t n_values) {
  using Stored = typename Format::Stored;
  for (std::int64_t i = 0; i < n_values; ++i) {
    dst[i] = Format::decode(load_unaligned<Stored>(src + i * std::int64_t{sizeof(Stored)}));
  }
}

template <typename Format>
void quantize_floats(const float* src, std::byte* dst, std::int64_t n_values) {
  using Stored = typename Format::Stored;
  for (std::int64_t i = 0; i < n_values; ++i) {
    const Stored stored = Format::encode(src[i]);
    std::memcpy(dst + i * std::int64_t{sizeof(Stored)}, &stored, sizeof(Stored));
  }
}

}  // namespace r1
