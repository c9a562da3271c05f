// repetition_watch_test.cpp: endless repetition is noticed at exactly the limit, for every period; what only looks like
// it is let through.
#include "engine/repetition_watch.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/rng.h"

namespace r1 {
namespace {

// After how many tokens the watch speaks up; nothing: never.
std::optional<int> noticed_after(RepetitionWatch watch, const std::vector<int>& ids) {
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (watch.take(ids[i])) return static_cast<int>(i) + 1;
  return std::nullopt;
}

std::vector<int> repeated(const std::vector<int>& part, int n_tokens) {
  std::vector<int> ids;
  for (int i = 0; i < n_tokens; ++i) ids.push_back(part[static_cast<std::size_t>(i) % part.size()]);
  return ids;
}

std::vector<int> distinct(int n) {
  std::vector<int> ids;
  for (int i = 0; i < n; ++i) ids.push_back(1000 + i);
  return ids;
}

TEST(RepetitionWatch, SpeaksUpAtExactlyTheLimit) {
  const RepetitionLimit limit;
  for (const int period : {1, 2, 3, 7, 64, 127, 128, 129, 300, 511, 512}) {
    const int n_tokens = std::max(limit.n_tokens_min, limit.n_repetitions * period);
    EXPECT_EQ(noticed_after(RepetitionWatch(limit), repeated(distinct(period), 2 * n_tokens)), n_tokens) << period;
  }
}

TEST(RepetitionWatch, WhatComesBeforeDoesNotMatter) {
  const RepetitionLimit limit{.period_max = 16, .n_repetitions = 4, .n_tokens_min = 20};
  Rng rng(1, 1);
  for (int n_before = 0; n_before < 200; n_before += 7) {
    std::vector<int> ids;
    for (int i = 0; i < n_before; ++i) ids.push_back(static_cast<int>(rng.bits() % 1000) + 10);
    const std::vector<int> loop = repeated({1, 2, 3, 4, 5, 6, 7}, 100);
    ids.insert(ids.end(), loop.begin(), loop.end());
    EXPECT_EQ(noticed_after(RepetitionWatch(limit), ids), n_before + 28);
  }
}

// The slow and plain statement of the law.
bool repeats(const std::vector<int>& ids, int n, const RepetitionLimit& limit) {
  for (int period = 1; period <= limit.period_max; ++period) {
    const int n_tokens = std::max(limit.n_tokens_min, limit.n_repetitions * period);
    bool is_periodic = n >= n_tokens;
    for (int i = n - n_tokens + period; is_periodic && i < n; ++i)
      is_periodic = ids[static_cast<std::size_t>(i)] == ids[static_cast<std::size_t>(i - period)];
    if (is_periodic) return true;
  }
  return false;
}

TEST(RepetitionWatch, AgreesWithTheLawOnAnyText) {
  const RepetitionLimit limit{.period_max = 5, .n_repetitions = 3, .n_tokens_min = 8};
  Rng rng(2, 2);
  int n_noticed = 0;
  for (int round = 0; round < 300; ++round) {
    RepetitionWatch watch(limit);
    std::vector<int> ids;
    const std::uint64_t rarity = 1 + rng.bits() % 6;
    for (int n = 1; n <= 120; ++n) {  // mostly a copy of what was there, sometimes something else
      const bool copies = n > 5 && rng.bits() % (4 * rarity) != 0;
      ids.push_back(copies ? ids[ids.size() - 1 - (rarity % 5)] : static_cast<int>(rng.bits() % 3));
      const bool noticed = watch.take(ids.back());
      ASSERT_EQ(noticed, repeats(ids, n, limit)) << "round " << round << ", token " << n;
      n_noticed += noticed ? 1 : 0;
    }
  }
  EXPECT_GT(n_noticed, 1000) << "the texts hold repetitions";
}

TEST(RepetitionWatch, OrdinaryTextsAreNotCut) {
  const RepetitionWatch watch{RepetitionLimit{}};
  EXPECT_FALSE(noticed_after(watch, repeated({3}, 1023))) << "1/3 to a thousand digits";
  EXPECT_FALSE(noticed_after(watch, repeated({1, 4, 2, 8, 5, 7}, 1023))) << "1/7";
  EXPECT_FALSE(noticed_after(watch, repeated(distinct(500), 7 * 500 + 499))) << "a poem of 500 tokens, seven times";
  std::vector<int> table;  // 400 rows of equal form, each with its number
  for (int row = 0; row < 400; ++row)
    for (const int id : {10, 20 + row, 10, 11, 12, 10, 13}) table.push_back(id);
  EXPECT_FALSE(noticed_after(watch, table));
  std::vector<int> nearly = repeated({1, 2}, 1023);  // interrupted just before the limit, again and again
  for (int i = 0; i < 3; ++i)
    nearly.insert(nearly.end(), {9}), nearly.insert(nearly.end(), nearly.begin(), nearly.begin() + 1023);
  EXPECT_FALSE(noticed_after(watch, nearly));
}

}  // namespace
}  // namespace r1
