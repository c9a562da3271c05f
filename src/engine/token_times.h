// token_times.h: how long clients of an engine wait for tokens, and how answers end: counted where tokens are made, so
// that slow readers don't count, and without locks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/histogram.h"
#include "engine/token_stream.h"

namespace r1 {

// Of one engine. Its thread adds, any thread reads.
struct TokenTimes {
  Histogram to_first, between;  // submission to the first token; token to token
  std::array<std::atomic<std::int64_t>, kFinishReasons> finished{};

  void count(FinishReason reason) {
    finished[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  }
  std::array<std::int64_t, kFinishReasons> finished_counts() const {
    std::array<std::int64_t, kFinishReasons> counts{};
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = finished[i].load(std::memory_order_relaxed);
    return counts;
  }
};

// Of one answer; made when it is submitted.
class TokenTimer {
 public:
  void take(TokenTimes& times) {
    const std::int64_t now_ns = monotonic_ns();
    (is_first_ ? times.to_first : times.between).add_ns(now_ns - last_ns_);
    is_first_ = false;
    last_ns_ = now_ns;
  }

 private:
  std::int64_t last_ns_ = monotonic_ns();
  bool is_first_ = true;
};

}  // namespace r1
