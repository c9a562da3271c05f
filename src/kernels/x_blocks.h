// x_blocks.h: what the kernels for a few tokens multiply eight blocks of weights with: the same blocks of each token's
// row.
//
// eight_products(blocks, x, products) of narrow_products.h or wide_products.h: products[t], lane i = blocks[i] times
// block i of token t, but for the scale of its row's block.
#pragma once

#include "kernels/block_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

// How many sums of q a block has: of 32 columns one, in f32; of 256 columns sums of 16 or 32 columns. Q4_K and Q5_K
// take those of 32 with AVX-512.
template <typename Format>
inline constexpr int kSumsOfBlock = Format::kBlockValues == 32                                                  ? 1
                                    : R1_WIDE && (std::is_same_v<Format, Q4_K> || std::is_same_v<Format, Q5_K>) ? 8
                                                                                                                : 16;

// Eight blocks that follow each other, of each token.
template <typename Format, int kTokens>
struct XBlocks {
  using Sum = std::conditional_t<Format::kBlockValues == 32, float, std::int16_t>;
  const std::int8_t* q[kTokens];
  const Sum* sums[kTokens];
};

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
