// score_windows_test.cpp: every token once, in order, with the context that is promised.
#include "apps/score_windows.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(ScoreWindows, GiveEveryTokenOnceWithTheContextPromised) {
  for (std::size_t n : {1U, 7U, 8U, 9U, 12U, 13U, 100U}) {
    for (std::size_t stride : {1U, 3U, 4U, 8U}) {
      std::size_t next = 0;
      for (const ScoreWindow& window : score_windows(n, 8, stride)) {
        EXPECT_EQ(window.fresh, next);
        EXPECT_LT(window.fresh, window.end);
        EXPECT_LE(window.end - window.first, 8U);
        if (window.first > 0) {
          EXPECT_EQ(window.fresh - window.first, 8 - stride);
        }
        next = window.end;
      }
      EXPECT_EQ(next, n);
    }
  }
}

TEST(ScoreWindows, ATextThatFitsIsOneWindow) { EXPECT_EQ(score_windows(8, 8, 4).size(), 1U); }

}  // namespace
}  // namespace r1
