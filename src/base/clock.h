// clock.h: time that only goes forward, for measuring.
#pragma once

#include <cstdint>

namespace r1 {

std::int64_t monotonic_ns();  // since some moment before the program began
inline std::int64_t monotonic_ms() { return monotonic_ns() / 1'000'000; }

}  // namespace r1
