// pass_pace_test.cpp: rows per pass follow what a row was measured to cost.
#include "engine/pass_pace.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

constexpr int kLayers = 32;
constexpr std::int64_t kMs = 1'000'000;

TEST(PassPace, RowsAreThoseThatALayerHasTimeFor) {
  PassPace pace(kLayers, 512);
  EXPECT_EQ(pace.rows(), PassPace::kRowsAtFirst);
  pace.take(1, 1000 * kMs);
  EXPECT_EQ(pace.rows(), PassPace::kRowsAtFirst) << "a pass of one row says nothing";
  pace.take(128, kLayers * 128 * kMs);  // a millisecond a row and layer
  EXPECT_EQ(pace.rows(), 120);
  for (int i = 0; i < 40; ++i) pace.take(120, kLayers * 120 * kMs / 10);
  EXPECT_EQ(pace.rows(), 512) << "fast enough for all";
  for (int i = 0; i < 40; ++i) pace.take(512, std::int64_t{kLayers} * 512 * kMs * 10);
  EXPECT_EQ(pace.rows(), PassPace::kRowsMin) << "not below what weights are worth reading for";
}

TEST(PassPace, ALowerLimitWins) {
  PassPace pace(kLayers, 16);
  EXPECT_EQ(pace.rows(), 16);
  pace.take(16, std::int64_t{kLayers} * 16 * kMs * 100);
  EXPECT_EQ(pace.rows(), 16);
}

}  // namespace
}  // namespace r1
