// weight_rounding.h: matrices whose numbers are all BF16's: 8 bits of exponent, 8 of precision, the format of
// DeepSeek's and most models' files. A file of that type then holds what was trained, bit for bit.
//
// An update is often smaller than half the distance to the next such number. To the nearest it would be lost; at
// random, up with the probability of the part that is cut off, it is kept in the mean (Gupta et al. 2015). The random
// number depends on seed, step and place alone.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "train/trained_model.h"

namespace r1 {

enum class WeightFormat : std::uint8_t {
  kF32,
  kBF16,         // rounded at random
  kBF16Nearest,  // to the nearest, ties to even
};

// The model's trained matrices; norms and biases stay as they are. Which thread does what changes no bit.
void round_weights(ThreadPool& pool, TrainedModel& model, WeightFormat format, std::uint64_t seed, std::int64_t step);

}  // namespace r1
