// rng.h: random numbers that are a pure function of (seed, stream, counter), so that any of them can be drawn in any
// order, on any thread, and a resumed run continues exactly. Philox4x32-10 (Salmon et al., SC'11, "Parallel random
// numbers: as easy as 1, 2, 3"); the constants are theirs.
#pragma once

#include <array>
#include <cstdint>

namespace r1 {

// Four 32-bit words for one counter and key.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

std::uint64_t random_seed();  // from the system; another each time

class Rng {
 public:
  Rng(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

  std::uint64_t bits();                  // 64 random bits
  double uniform();                      // [0, 1), 53 bits
  std::uint64_t below(std::uint64_t n);  // [0, n), without bias; n > 0
  float normal();                        // mean 0, standard deviation 1 (Box-Muller)

 private:
  std::uint64_t seed_, stream_, counter_ = 0;
  std::array<std::uint32_t, 4> words_{};
  int n_words_ = 0;
};

}  // namespace r1
