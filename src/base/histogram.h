// histogram.h: how often something took how long, in fixed buckets. One thread adds, any thread reads; there is no
// lock, so a reader may see a time counted whose sum is not there yet.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace r1 {

// From 100 µs, a token of a small model, to five minutes, a long prompt on a slow machine.
inline constexpr std::array kHistogramBounds_s = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                  0.25,   0.5,     1.0,    2.5,   5.0,    10.0,  30.0, 60.0,  300.0};

struct HistogramCounts {
  // Of each bucket alone: up to its bound, above the one before. The last: above all bounds.
  std::array<std::int64_t, kHistogramBounds_s.size() + 1> buckets{};
  double sum_s = 0;
};

class Histogram {
 public:
  void add_ns(std::int64_t time_ns) {
    const double time_s = static_cast<double>(time_ns) * 1e-9;
    std::size_t bucket = 0;
    while (bucket < kHistogramBounds_s.size() && time_s > kHistogramBounds_s[bucket]) ++bucket;
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(time_ns, std::memory_order_relaxed);
  }

  HistogramCounts counts() const {
    HistogramCounts counts;
    for (std::size_t i = 0; i < buckets_.size(); ++i) counts.buckets[i] = buckets_[i].load(std::memory_order_relaxed);
    counts.sum_s = static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) * 1e-9;
    return counts;
  }

 private:
  std::array<std::atomic<std::int64_t>, kHistogramBounds_s.size() + 1> buckets_{};
  std::atomic<std::int64_t> sum_ns_ = 0;
};

}  // namespace r1
