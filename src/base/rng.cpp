// rng.cpp: Philox4x32-10 and the distributions drawn from it.
#include "base/rng.h"

#include <cmath>
#include <numbers>
#include <random>

namespace r1 {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

std::uint64_t Rng::bits() {
  if (n_words_ == 0) {
    const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
    const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
    words_ = philox({low(counter_), high(counter_), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
    ++counter_;
    n_words_ = 4;
  }
  n_words_ -= 2;
  return std::uint64_t{words_[static_cast<std::size_t>(n_words_)]} << 32 |
         words_[static_cast<std::size_t>(n_words_) + 1];
}

double Rng::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

std::uint64_t Rng::below(std::uint64_t n) {
  // Draws from the incomplete last copy of [0, n) in 2^64 are thrown away.
  const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % n;
  std::uint64_t draw = bits();
  while (draw >= limit) draw = bits();
  return draw % n;
}

float Rng::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return static_cast<float>(radius * std::cos(2.0 * std::numbers::pi * uniform()));
}

}  // namespace r1
