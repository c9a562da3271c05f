// rope.cpp: frequencies from the configuration, angles from the positions, the rotation itself.
#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace r1 {
namespace {

// YaRN: the pair whose wave turns `rotations` times within the original context.
double yarn_pair(const RopeConfig& c, double rotations) {
  return c.n_dims * std::log(c.original_context / (rotations * 2.0 * std::numbers::pi)) / (2.0 * std::log(c.theta));
}

void scale_yarn(const RopeConfig& c, std::vector<float>& frequencies) {
  const double low = std::max(std::floor(yarn_pair(c, c.beta_fast)), 0.0);
  double high = std::min(std::ceil(yarn_pair(c, c.beta_slow)), c.n_dims - 1.0);
  if (low == high) high += 0.001;
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    const auto ramp = static_cast<float>(std::clamp((static_cast<double>(j) - low) / (high - low), 0.0, 1.0));
    frequencies[j] = frequencies[j] / c.factor * ramp + frequencies[j] * (1.0f - ramp);
  }
}

void scale_llama3(const RopeConfig& c, std::vector<float>& frequencies) {
  const double longest = double{1} * c.original_context / c.low_freq_factor;
  const double shortest = double{1} * c.original_context / c.high_freq_factor;
  for (float& frequency : frequencies) {
    const double wavelength = 2.0 * std::numbers::pi / frequency;
    if (wavelength > longest) {
      frequency /= c.factor;
    } else if (wavelength > shortest) {
      const double smooth =
          (c.original_context / wavelength - c.low_freq_factor) / (c.high_freq_factor - c.low_freq_factor);
      frequency = static_cast<float>((1.0 - smooth) * frequency / c.factor + smooth * frequency);
    }
  }
}

}  // namespace

std::vector<float> rope_frequencies(const RopeConfig& c) {
  std::vector<float> frequencies(static_cast<std::size_t>(c.n_dims / 2));
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    frequencies[j] = static_cast<float>(1.0 / std::pow(double{c.theta}, 2.0 * static_cast<double>(j) / c.n_dims));
  }
  switch (c.scaling) {
    case RopeConfig::Scaling::kNone:
      break;
    case RopeConfig::Scaling::kLinear:
      for (float& frequency : frequencies) frequency /= c.factor;
      break;
    case RopeConfig::Scaling::kYarn:
      scale_yarn(c, frequencies);
      break;
    case RopeConfig::Scaling::kLlama3:
      scale_llama3(c, frequencies);
      break;
    case RopeConfig::Scaling::kFactors:
      R1_ASSERT(c.freq_factors.size() == frequencies.size(), "one factor per pair, checked by the loader");
      for (std::size_t j = 0; j < frequencies.size(); ++j) frequencies[j] /= c.freq_factors[j];
      break;
  }
  return frequencies;
}

RopeAngles rope_angles(Pass& pass, std::span<const float> frequencies, float magnitude) {
  const auto n_pairs = static_cast<std::int64_t>(frequencies.size());
  RopeAngles angles{pass.make_scratch({pass.n_tokens(), n_pairs}), pass.make_scratch({pass.n_tokens(), n_pairs})};
  pass.parallel_pieces(pass.n_tokens(), 16, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t row = first; row < last; ++row) {
      const auto position = static_cast<float>(pass.batch.positions[static_cast<std::size_t>(row)]);
      for (std::int64_t j = 0; j < n_pairs; ++j) {
        const double angle = position * frequencies[static_cast<std::size_t>(j)];
        angles.cos.row(row)[j] = static_cast<float>(std::cos(angle)) * magnitude;
        angles.sin.row(row)[j] = static_cast<float>(std::sin(angle)) * magnitude;
      }
    }
  });
  return angles;
}

namespace {

// turn(a, b, j) for pair j of every head.
template <typename Turn>
void for_each_pair(float* x, int n_heads, std::int64_t head_stride, int n_dims, RopePairing pairing, Turn turn) {
  const int n_pairs = n_dims / 2;
  const int step = pairing == RopePairing::kInterleaved ? 2 : 1;
  const int partner = pairing == RopePairing::kInterleaved ? 1 : n_pairs;
  for (int head = 0; head < n_heads; ++head, x += head_stride) {
    for (int j = 0; j < n_pairs; ++j) turn(x[j * step], x[j * step + partner], j);
  }
}

}  // namespace

void rotate_heads(float* x, int n_heads, std::int64_t head_stride, const float* cos, const float* sin, int n_dims,
                  RopePairing pairing) {
  for_each_pair(x, n_heads, head_stride, n_dims, pairing, [&](float& a, float& b, int j) {
    const float turned = a * cos[j] - b * sin[j];
    b = a * sin[j] + b * cos[j];
    a = turned;
  });
}

void rotate_heads_back(float* x, int n_heads, std::int64_t head_stride, const float* cos, const float* sin, int n_dims,
                       RopePairing pairing) {
  for_each_pair(x, n_heads, head_stride, n_dims, pairing, [&](float& a, float& b, int j) {
    const float turned = a * cos[j] + b * sin[j];
    b = b * cos[j] - a * sin[j];
    a = turned;
  });
}

}  // namespace r1
