// adapters.h: low-rank adapters (Hu et al. 2021, "LoRA") of weights that are not trained themselves: w = base + scale *
// b a, a [rank, n_in], b [n_out, rank].
//
// The forward multiplies by w, the sum, as it lies in memory: ops and engines know nothing of adapters, and what
// samples is what learns, bit for bit. Only gradients part: from those of y = x w^T to those of a and b, never by way
// of w's own,
//   d_b = scale * d_y^T (x a^T),   d_a = scale * (d_y b)^T x.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "ops/tensor.h"

namespace r1 {

struct LowRank {
  const float* a = nullptr;
  const float* b = nullptr;
  int rank = 0;
  float scale = 1;
};

// By where the weight begins.
using Adapters = std::unordered_map<const std::byte*, LowRank>;

}  // namespace r1
