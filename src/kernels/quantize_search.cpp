// quantize_search.cpp: the encoders' searches, by trial scales and least squares.
#include "kernels/quantize_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/block.h"

namespace r1 {
namespace {

constexpr int kMaxGroupValues = 32;
using Weights = std::array<float, kMaxGroupValues>;

Weights weights_of(std::span<const float> x) {
  float sum_squares = 0;
  for (const float v : x) sum_squares += v * v;
  const float rms = std::sqrt(sum_squares / static_cast<float>(x.size()));
  Weights weights{};
  for (std::size_t i = 0; i < x.size(); ++i) weights[i] = rms + std::fabs(x[i]);
  return weights;
}

float largest_magnitude(std::span<const float> x) {
  float largest = 0;
  for (const float v : x) {
    if (std::fabs(v) > std::fabs(largest)) largest = v;
  }
  return largest;
}

// The sums from which least squares finds scale and offset, for the integers one trial scale gives.
struct Fit {
  double w = 0, wx = 0, wq = 0, wqq = 0, wqx = 0, wxx = 0;

  void add(float weight, float x, float q) {
    w += weight;
    wx += weight * x;
    wq += weight * q;
    wqq += weight * q * q;
    wqx += weight * q * x;
    wxx += weight * x * x;
  }
  double error(double scale, double offset) const {  // sum of w * (scale * q + offset - x)^2
    return scale * scale * wqq + offset * offset * w + wxx + 2 * (scale * offset * wq - scale * wqx - offset * wx);
  }
};

}  // namespace

ScaleAndMin search_scale_and_min(std::span<const float> x, int max_q) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  const float offset = std::min(*low, 0.0f);
  const float range = *high - offset;
  ScaleAndMin best{range / static_cast<float>(max_q), -offset};
  if (!(range > 0)) return {0, -offset};
  const Weights weights = weights_of(x);
  double least = HUGE_VAL;
  for (int step = -10; step <= 10; ++step) {
    const float inverse = (static_cast<float>(max_q) + 0.1f * static_cast<float>(step)) / range;
    Fit fit;
    for (std::size_t i = 0; i < x.size(); ++i) {
      fit.add(weights[i], x[i], static_cast<float>(round_within((x[i] - offset) * inverse, 0, max_q)));
    }
    const double det = fit.w * fit.wqq - fit.wq * fit.wq;
    if (!(det > 0) || !(fit.wqq > 0)) continue;
    double scale = (fit.w * fit.wqx - fit.wx * fit.wq) / det;
    double fitted_offset = (fit.wqq * fit.wx - fit.wq * fit.wqx) / det;
    if (fitted_offset > 0) {
      fitted_offset = 0;
      scale = fit.wqx / fit.wqq;
    }
    const double error = fit.error(scale, fitted_offset);
    if (scale > 0 && error < least) {
      least = error;
      best = {static_cast<float>(scale), static_cast<float>(-fitted_offset)};
    }
  }
  return best;
}

float search_scale(std::span<const float> x, int half) {
  const float largest = largest_magnitude(x);
  if (largest == 0 || !std::isfinite(largest)) return 0;
  const Weights weights = weights_of(x);
  double most = 0;
  float best = largest / static_cast<float>(-half);
  for (int step = -10; step <= 10; ++step) {
    const float inverse = -(static_cast<float>(half) + 0.1f * static_cast<float>(step)) / largest;
    Fit fit;
    for (std::size_t i = 0; i < x.size(); ++i) {
      fit.add(weights[i], x[i], static_cast<float>(round_within(x[i] * inverse, -half, half - 1)));
    }
    // With the refitted scale wqx / wqq the error is wxx - wqx^2 / wqq.
    if (fit.wqq > 0 && fit.wqx * fit.wqx > most * fit.wqq) {
      most = fit.wqx * fit.wqx / fit.wqq;
      best = static_cast<float>(fit.wqx / fit.wqq);
    }
  }
  return best;
}

int nearest_code(float value, std::span<const std::int8_t, 16> codebook) {
  int best = 0;
  for (int i = 1; i < 16; ++i) {
    const float middle = 0.5f * static_cast<float>(codebook[i - 1] + codebook[i]);
    if (value > middle) best = i;
  }
  return best;
}

float search_codebook_scale(std::span<const float> x, std::span<const std::int8_t, 16> codebook) {
  const float largest = largest_magnitude(x);
  if (largest == 0 || !std::isfinite(largest)) return 0;
  const Weights weights = weights_of(x);
  double most = 0;
  float best = largest / static_cast<float>(codebook[0]);
  for (int step = -10; step <= 10; ++step) {
    for (const float end : {static_cast<float>(codebook[0]), static_cast<float>(codebook[15])}) {
      const float inverse = (end + static_cast<float>(step)) / largest;
      Fit fit;
      for (std::size_t i = 0; i < x.size(); ++i) {
        fit.add(weights[i], x[i], static_cast<float>(codebook[nearest_code(x[i] * inverse, codebook)]));
      }
      if (fit.wqq > 0 && fit.wqx * fit.wqx > most * fit.wqq) {
        most = fit.wqx * fit.wqx / fit.wqq;
        best = static_cast<float>(fit.wqx / fit.wqq);
      }
    }
  }
  return best;
}

}  // namespace r1
