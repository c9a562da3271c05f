// weight_rounding.cpp: eight numbers a draw, 16 random bits each.
#include "train/weight_rounding.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/float16.h"
#include "base/rng.h"

namespace r1 {
namespace {

constexpr std::int64_t kRoundedAtOnce = 1 << 14;  // whole draws
constexpr std::int64_t kOfOneDraw = 8;
constexpr std::uint32_t kLow = 0xffff, kExponent = 0x7f800000;

float nearest(float value) { return bf16_to_f32(f32_to_bf16(value)); }

// `random`: 16 bits, added below what is kept.
float at_random(float value, std::uint32_t random) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & kExponent) == kExponent) return value;  // no number: it stays what it is
  return std::bit_cast<float>((bits + random) & ~kLow);
}

// Numbers [first, last) of tensor number `tensor`, first a multiple of kOfOneDraw.
void round_at_random(float* values, std::int64_t first, std::int64_t last, std::uint32_t tensor, std::uint64_t seed,
                     std::int64_t step) {
  const std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  for (std::int64_t at = first; at < last; at += kOfOneDraw) {
    const std::array<std::uint32_t, 4> words = philox(
        {static_cast<std::uint32_t>(at / kOfOneDraw), tensor, static_cast<std::uint32_t>(step), 0x62663136}, key);
    for (std::int64_t i = at; i < std::min(at + kOfOneDraw, last); ++i) {
      const std::uint32_t word = words[static_cast<std::size_t>((i - at) / 2)];
      values[i] = at_random(values[i], (i % 2 == 0 ? word : word >> 16) & kLow);
    }
  }
}

}  // namespace

void round_weights(ThreadPool& pool, TrainedModel& model, WeightFormat format, std::uint64_t seed, std::int64_t step) {
  if (format == WeightFormat::kF32) return;
  std::uint32_t tensor = 0;
  for (const ParameterTensor& p : model.trained_tensors()) {
    ++tensor;
    if (!p.is_matrix) continue;
    float* values = model.trained_values().data() + p.offset;
    const std::int64_t n = p.shape.n_values();
    pool.run(static_cast<int>((n + kRoundedAtOnce - 1) / kRoundedAtOnce), [&](int piece, int) {
      const std::int64_t first = piece * kRoundedAtOnce, last = std::min(first + kRoundedAtOnce, n);
      if (format == WeightFormat::kBF16) return round_at_random(values, first, last, tensor, seed, step);
      std::transform(values + first, values + last, values + first, nearest);
    });
  }
}

}  // namespace r1
