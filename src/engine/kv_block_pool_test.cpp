// kv_block_pool_test.cpp: blocks are never lost, never given twice, and a prefix found is the prefix asked for.
#include "engine/kv_block_pool.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/rng.h"

namespace r1 {
namespace {

constexpr int kBlockTokens = KvCache::kBlockTokens;

std::vector<int> some_tokens(int n_blocks, int seed) {
  std::vector<int> tokens(static_cast<std::size_t>(n_blocks * kBlockTokens));
  std::iota(tokens.begin(), tokens.end(), seed * 100000);
  return tokens;
}

std::vector<PrefixName> names_of(std::span<const int> tokens, std::uint64_t account = 0) {
  std::vector<PrefixName> names = {prefix_root("model", account)};
  for (; !tokens.empty(); tokens = tokens.subspan(kBlockTokens))
    names.push_back(prefix_name(names.back(), tokens.first(kBlockTokens)));
  names.erase(names.begin());
  return names;
}

std::vector<KvBlockId> fill(KvBlockPool& pool, std::span<const PrefixName> names) {
  std::vector<KvBlockId> blocks;
  for (const PrefixName& name : names) {
    blocks.push_back(*pool.allocate());
    pool.publish(blocks.back(), name);
  }
  return blocks;
}

TEST(KvBlockPool, FindsTheLongestKnownPrefixAndSharesIt) {
  KvBlockPool pool(8);
  const auto tokens = some_tokens(3, 1);
  const auto blocks = fill(pool, names_of(tokens));
  auto other = tokens;
  other[2 * kBlockTokens + 5] += 1;  // differs within the third block
  const auto found = pool.find_prefix(names_of(other));
  EXPECT_EQ(found, std::vector<KvBlockId>(blocks.begin(), blocks.begin() + 2));
  pool.release(blocks);
  EXPECT_EQ(pool.n_available(), 6) << "two blocks are still in use";
  pool.release(found);
  EXPECT_EQ(pool.n_available(), 8);
  EXPECT_EQ(pool.find_prefix(names_of(tokens)), blocks) << "unused blocks keep their content";
}

TEST(KvBlockPool, TheSameTokensAfterAnotherBeginningAreAnotherBlock) {
  KvBlockPool pool(8);
  const auto a = some_tokens(1, 1), b = some_tokens(1, 2);
  std::vector<int> ab = a, bb = b;
  ab.insert(ab.end(), b.begin(), b.end());
  bb.insert(bb.end(), b.begin(), b.end());
  const auto blocks = fill(pool, names_of(ab));
  EXPECT_TRUE(pool.find_prefix(names_of(bb)).empty());
  pool.release(blocks);
}

TEST(KvBlockPool, AnotherAccountFindsNothing) {
  KvBlockPool pool(8);
  const auto tokens = some_tokens(3, 1);
  const auto blocks = fill(pool, names_of(tokens, 7));
  EXPECT_TRUE(pool.find_prefix(names_of(tokens, 8)).empty());
  EXPECT_TRUE(pool.find_prefix(names_of(tokens, 0)).empty());
  const auto own = pool.find_prefix(names_of(tokens, 7));
  EXPECT_EQ(own, blocks);
  pool.release(own);
  pool.release(blocks);
}

TEST(KvBlockPool, GivesUpTheLeastRecentlyUsedAndTheEndBeforeTheBeginning) {
  KvBlockPool pool(4);
  const auto old_tokens = some_tokens(2, 1), new_tokens = some_tokens(2, 2);
  pool.release(fill(pool, names_of(old_tokens)));
  pool.release(fill(pool, names_of(new_tokens)));
  const KvBlockId taken = *pool.allocate();
  EXPECT_EQ(pool.find_prefix(names_of(new_tokens)).size(), 2u);
  EXPECT_EQ(pool.find_prefix(names_of(old_tokens)).size(), 1u);
  EXPECT_FALSE(pool.allocate().has_value());
  pool.release(std::vector<KvBlockId>{taken});
}

TEST(KvBlockPool, RandomUseNeverLosesOrDoublesABlock) {
  constexpr int kBlocks = 12;
  KvBlockPool pool(kBlocks);
  Rng rng(5, 0);
  std::vector<std::vector<KvBlockId>> held;
  std::vector<std::vector<PrefixName>> all_names;
  for (int seed = 0; seed < 6; ++seed) all_names.push_back(names_of(some_tokens(3, seed)));
  for (int step = 0; step < 20000; ++step) {
    if (rng.below(2) == 0 && !held.empty()) {
      const std::size_t i = rng.below(held.size());
      pool.release(held[i]);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      const auto& names = all_names[rng.below(all_names.size())];
      auto blocks = pool.find_prefix(names);
      while (blocks.size() < 3) {
        const auto block = pool.allocate();
        if (!block) break;
        blocks.push_back(*block);
        pool.publish(*block, names[blocks.size() - 1]);
      }
      held.push_back(blocks);
    }
    std::set<KvBlockId> in_use;
    for (const auto& blocks : held) in_use.insert(blocks.begin(), blocks.end());
    ASSERT_EQ(pool.n_available(), kBlocks - static_cast<int>(in_use.size()));
  }
}

}  // namespace
}  // namespace r1
