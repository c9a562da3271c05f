// turned_weight.h: a matrix that is stored by its columns, turned so that a product can run along its rows in bytes.
//
// A head's key part of MLA's up-projection lies so in GGUF files (attn_k_b, made for the absorbed kernel). A product
// over stored rows would have to run in f32, at a quarter of the speed or less. Turned rows are rounded to Q8_0: no
// coarser than the file's own blocks, and by as much as activations are (docs/numerics.md).
#pragma once

#include <cstdint>

#include "ops/tensor.h"

namespace r1 {

// Whether w is worth it: stored in blocks. Plain floats are multiplied as they are.
bool can_be_turned(const Weight& w);

// What turn() needs: the result, and w's values in f32; for a w that can't be turned, its values alone. A multiple
// of 16.
std::int64_t turned_floats(std::int64_t n_rows, std::int64_t n_cols);

// w [n_rows, n_cols] as [n_cols, n_rows], Q8_0, in `scratch`, which begins on a cache line.
Weight turn(const Weight& w, float* scratch);

}  // namespace r1
