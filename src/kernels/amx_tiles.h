// amx_tiles.h: Intel's tile registers: eight of 16 rows of 64 bytes, and products of two of them.
// Source: Intel Architecture Instruction Set Extensions Programming Reference, chapter 3 (AMX).
//
// As assembly: GCC 12's intrinsics tell the compiler nothing of the memory that a tile load reads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/simd.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline constexpr int kTileRows = 16, kTileBytes = 64;

// Zeroes tile kTile.
template <int kTile>
HWY_INLINE void tile_zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}

// Rows `stride` bytes apart.
template <int kTile>
HWY_INLINE void tile_load(const void* from, std::int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
HWY_INLINE void tile_store(void* to) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(std::int64_t{kTileBytes}), "i"(kTile) : "memory");
}

// sums [16 tokens, 16 rows] of 32 bits += x [16 tokens, K] * w [K / 4, 16 rows * 4], K the tiles' width in bytes.
template <int kSums, int kX, int kW>
HWY_INLINE void tile_multiply() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kX), "i"(kW));
}
// Tiles 0-3: sums; 4 and 5: tokens; 6 and 7: weights; n_columns at a time. Lives as long as the tiles are in use.
class TileShapes {
 public:
  HWY_INLINE explicit TileShapes(int n_columns) {
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {};
      std::uint8_t n_rows[16] = {};
    } shapes;
    static_assert(sizeof shapes == 64);
    for (int tile = 0; tile < 8; ++tile) {
      shapes.row_bytes[tile] = static_cast<std::uint16_t>(tile == 4 || tile == 5 ? n_columns : kTileBytes);
      shapes.n_rows[tile] = static_cast<std::uint8_t>(tile >= 6 ? n_columns / 4 : kTileRows);
    }
    asm volatile("ldtilecfg %0" ::"m"(shapes));
  }
  HWY_INLINE ~TileShapes() { asm volatile("tilerelease"); }
  TileShapes(const TileShapes&) = delete;
  TileShapes& operator=(const TileShapes&) = delete;
};

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
