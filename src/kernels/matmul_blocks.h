// matmul_blocks.h: the product of block formats. The integer product of a block is complete before floats come in
// (portable.cpp says how), so the two ways of summing give the same bits.
#pragma once

#include "kernels/multiply_few_tokens.h"
#include "kernels/multiply_tiles.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

template <typename Format>
void multiply_blocks(const MatmulArgs& args) {
  args.n_tokens <= kFewTokens<Format> ? multiply_few_tokens<Format>(args) : multiply_many_tokens<Format>(args);
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
