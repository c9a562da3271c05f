// clock.cpp: the system's steady clock.
#include "base/clock.h"

#include <chrono>

namespace r1 {

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace r1
