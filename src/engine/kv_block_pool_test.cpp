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

std::vector<KvBlockId> fill(KvBlockPool& pool, std::span<const int> tokens) {
  std::vector<KvBlockId> blocks;
  for (std::size_t i = 0; i * kBlockTokens < tokens.size(); ++i) {
    blocks.push_back(*pool.allocate());
    pool.publish(blocks[i], i == 0 ? -1 : blocks[i - 1], tokens.subspan(i * kBlockTokens, kBlockTokens));
  }
  return blocks;
}

TEST(KvBlockPool, FindsTheLongestKnownPrefixAndSharesIt) {
  KvBlockPool pool(8);
  const auto tokens = some_tokens(3, 1);
  const auto blocks = fill(pool, tokens);
  auto other = tokens;
  other[2 * kBlockTokens + 5] += 1;  // differs within the third block
  const auto found = pool.find_prefix(other, 3);
  EXPECT_EQ(found, std::vector<KvBlockId>(blocks.begin(), blocks.begin() + 2));
  pool.release(blocks);
  EXPECT_EQ(pool.n_available(), 6) << "two blocks are still in use";
  pool.release(found);
  EXPECT_EQ(pool.n_available(), 8);
  EXPECT_EQ(pool.find_prefix(tokens, 3), blocks) << "unused blocks keep their content";
}

TEST(KvBlockPool, TheSameTokensAfterAnotherBeginningAreAnotherBlock) {
  KvBlockPool pool(8);
  const auto a = some_tokens(1, 1), b = some_tokens(1, 2);
  std::vector<int> ab = a, bb = b;
  ab.insert(ab.end(), b.begin(), b.end());
  bb.insert(bb.end(), b.begin(), b.end());
  const auto blocks = fill(pool, ab);
  EXPECT_TRUE(pool.find_prefix(bb, 2).empty());
  pool.release(blocks);
}

TEST(KvBlockPool, GivesUpTheLeastRecentlyUsedAndTheEndBeforeTheBeginning) {
  KvBlockPool pool(4);
  const auto old_tokens = some_tokens(2, 1), new_tokens = some_tokens(2, 2);
  pool.release(fill(pool, old_tokens));
  pool.release(fill(pool, new_tokens));
  const KvBlockId taken = *pool.allocate();
  EXPECT_EQ(pool.find_prefix(new_tokens, 2).size(), 2u);
  EXPECT_EQ(pool.find_prefix(old_tokens, 2).size(), 1u);
  EXPECT_FALSE(pool.allocate().has_value());
  pool.release(std::vector<KvBlockId>{taken});
}

TEST(KvBlockPool, RandomUseNeverLosesOrDoublesABlock) {
  constexpr int kBlocks = 12;
  KvBlockPool pool(kBlocks);
  Rng rng(5, 0);
  std::vector<std::vector<KvBlockId>> held;
  for (int step = 0; step < 20000; ++step) {
    if (rng.below(2) == 0 && !held.empty()) {
      const std::size_t i = rng.below(held.size());
      pool.release(held[i]);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      const auto tokens = some_tokens(3, static_cast<int>(rng.below(6)));
      auto blocks = pool.find_prefix(tokens, 3);
      while (blocks.size() < 3) {
        const auto block = pool.allocate();
        if (!block) break;
        blocks.push_back(*block);
        const std::size_t i = blocks.size() - 1;
        pool.publish(*block, i == 0 ? -1 : blocks[i - 1], std::span(tokens).subspan(i * kBlockTokens, kBlockTokens));
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
