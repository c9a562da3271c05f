// histogram_test.cpp: every time lands in one bucket, and in the right one.
#include "base/histogram.h"

#include <gtest/gtest.h>

#include <numeric>

namespace r1 {
namespace {

TEST(Histogram, ATimeIsInTheFirstBucketThatHoldsIt) {
  Histogram histogram;
  histogram.add_ns(0);
  histogram.add_ns(100'000);  // 0.0001 s: a bound belongs to its bucket
  histogram.add_ns(100'001);
  histogram.add_ns(400'000'000'000);
  const HistogramCounts counts = histogram.counts();
  EXPECT_EQ(counts.buckets.front(), 2);
  EXPECT_EQ(counts.buckets[1], 1);
  EXPECT_EQ(counts.buckets.back(), 1);
  EXPECT_EQ(std::accumulate(counts.buckets.begin(), counts.buckets.end(), std::int64_t{0}), 4);
  EXPECT_NEAR(counts.sum_s, 400.000200001, 1e-9);
}

TEST(Histogram, BoundsAscend) {
  for (std::size_t i = 1; i < kHistogramBounds_s.size(); ++i)
    EXPECT_LT(kHistogramBounds_s[i - 1], kHistogramBounds_s[i]);
}

}  // namespace
}  // namespace r1
