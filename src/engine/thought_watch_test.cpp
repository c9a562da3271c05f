// thought_watch_test.cpp: exactly so many tokens of thought, whatever comes in between.
#include "engine/thought_watch.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

constexpr int kOpen = 100, kClose = 200, kSentence = 150;

// Tokens below 100 are text. Follows the answer as the splitter of the layer above does.
ThoughtLimit limit_of(int max_tokens, bool begins_inside = true) {
  ThoughtLimit limit;
  limit.max_tokens = max_tokens;
  limit.begins_inside = begins_inside;
  limit.closing = {kSentence, kClose, 10};
  limit.is_inside = [inside = begins_inside](int id) mutable {
    if (id == kOpen) inside = true;
    if (id == kClose) inside = false;
    return inside;
  };
  return limit;
}

// What is written when `sampled` would be, one after the other.
std::vector<int> written(ThoughtLimit limit, const std::vector<int>& sampled) {
  ThoughtWatch watch(std::move(limit));
  std::vector<int> ids;
  for (std::size_t i = 0; i < sampled.size();) {
    const auto forced = watch.forced();
    ids.push_back(forced ? *forced : sampled[i++]);
    watch.take(ids.back());
  }
  return ids;
}

TEST(ThoughtWatch, ClosesAfterExactlySoManyTokens) {
  EXPECT_EQ(written(limit_of(0), {1, 2}), (std::vector{kSentence, kClose, 10, 1, 2}));
  EXPECT_EQ(written(limit_of(1), {1, 2}), (std::vector{1, kSentence, kClose, 10, 2}));
  EXPECT_EQ(written(limit_of(2), {1, 2, 3, 4, 5}), (std::vector{1, 2, kSentence, kClose, 10, 3, 4, 5}));
}

TEST(ThoughtWatch, LeavesAThoughtThatEndsByItselfAlone) {
  EXPECT_EQ(written(limit_of(2), {1, kClose, 2, 3, 4}), (std::vector{1, kClose, 2, 3, 4}));
  EXPECT_EQ(written(limit_of(-1), {1, 2, 3}), (std::vector{1, 2, 3}));
}

TEST(ThoughtWatch, CountsFromTheOpeningWhereTheModelDecides) {
  EXPECT_EQ(written(limit_of(1, false), {kOpen, 1, 2}), (std::vector{kOpen, 1, kSentence, kClose, 10, 2}));
  EXPECT_EQ(written(limit_of(0, false), {1, 2}), (std::vector{1, 2})) << "no thought, nothing to close";
}

TEST(ThoughtWatch, ClosesOnceWhenTold) {
  auto told = std::make_shared<std::atomic<bool>>(true);
  ThoughtLimit limit = limit_of(-1);
  limit.end_now = told;
  EXPECT_EQ(written(limit, {1, kOpen, 2}), (std::vector{kSentence, kClose, 10, 1, kOpen, 2}));
}

}  // namespace
}  // namespace r1
