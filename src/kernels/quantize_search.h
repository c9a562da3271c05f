// quantize_search.h: encoders' searches for the scale (and offset) of one group of values.
//
// Rounding with the obvious scale, range / levels, is not the best one can do: a slightly smaller scale clips one value
// and serves the others better. Both searches try some twenty scales, refit each by least squares to the integers it
// gave, and keep the one with the least weighted error. Large values weigh more, because they meet large activations
// more often than chance.
#pragma once

#include <cstdint>
#include <span>

namespace r1 {

struct ScaleAndMin {
  float scale = 0;  // >= 0
  float min = 0;    // >= 0; x is about scale * q - min
};
// q in [0, max_q].
ScaleAndMin search_scale_and_min(std::span<const float> x, int max_q);

// x is about scale * q with q in [-half, half - 1]; the scale's sign makes the largest value -half.
float search_scale(std::span<const float> x, int half);

// x is about scale * codebook[i].
float search_codebook_scale(std::span<const float> x, std::span<const std::int8_t, 16> codebook);

// Which entry of the ascending codebook is nearest.
int nearest_code(float value, std::span<const std::int8_t, 16> codebook);

}  // namespace r1
