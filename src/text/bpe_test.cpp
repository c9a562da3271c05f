// bpe_test.cpp: short and long pieces obey the same law, which is checked against the plainest possible program.
#include "text/bpe.h"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace r1 {
namespace {

// Tokens "a", "b", "c" and random merges of known tokens, in random order.
struct RandomVocabulary {
  std::vector<std::string> tokens = {"a", "b", "c"};
  std::vector<Bpe::Merge> merges;
  std::array<int, 256> byte_ids{};

  explicit RandomVocabulary(Rng& rng) {
    byte_ids.fill(-1);
    for (int id = 0; id < 3; ++id) byte_ids[static_cast<std::size_t>('a' + id)] = id;
    for (int i = 0; i < 20; ++i) {
      const auto left = static_cast<int>(rng.below(tokens.size())), right = static_cast<int>(rng.below(tokens.size()));
      const std::string joined = tokens[static_cast<std::size_t>(left)] + tokens[static_cast<std::size_t>(right)];
      const auto found = std::find(tokens.begin(), tokens.end(), joined);
      merges.push_back({left, right, static_cast<int>(found - tokens.begin())});
      if (found == tokens.end()) tokens.push_back(joined);
    }
    // Ranks need not follow the order in which tokens came to be.
    for (std::size_t i = merges.size(); i > 1; --i) std::swap(merges[i - 1], merges[rng.below(i)]);
  }

  std::vector<int> merge_plainly(std::string_view piece) const {
    std::vector<int> ids;
    for (const char c : piece) ids.push_back(byte_ids[static_cast<unsigned char>(c)]);
    for (bool merged = true; merged;) {
      merged = false;
      for (const Bpe::Merge& merge : merges) {
        for (std::size_t i = 0; i + 1 < ids.size() && !merged; ++i) {
          if (ids[i] != merge.left || ids[i + 1] != merge.right) continue;
          ids[i] = merge.result;
          ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          merged = true;
        }
        if (merged) break;
      }
    }
    return ids;
  }
};

std::string random_piece(Rng& rng, std::size_t n_bytes) {
  std::string piece;
  for (std::size_t i = 0; i < n_bytes; ++i) piece.push_back(static_cast<char>('a' + rng.below(3)));
  return piece;
}

TEST(Bpe, TheBestRankIsJoinedFirstLeftmostAmongEquals) {
  Rng rng(11, 0);
  for (int round = 0; round < 60; ++round) {
    const RandomVocabulary vocabulary(rng);
    const TokenTable table(vocabulary.tokens);
    const Bpe bpe(table, static_cast<int>(vocabulary.tokens.size()), vocabulary.byte_ids, vocabulary.merges, false);
    for (const std::size_t n_bytes : {1u, 2u, 3u, 7u, 20u, 47u, 48u, 49u, 50u, 120u, 300u}) {
      const std::string piece = random_piece(rng, n_bytes);
      for (int again = 0; again < 2; ++again) {  // the second time known pieces are not merged again
        std::vector<int> ids;
        bpe.encode(piece, ids);
        EXPECT_EQ(ids, vocabulary.merge_plainly(piece)) << piece;
      }
    }
  }
}

TEST(Bpe, IgnoringMergesTakesAPieceThatIsATokenWhole) {
  const std::vector<std::string> tokens = {"a", "b", "ab", "abb"};
  const TokenTable table(tokens);
  std::array<int, 256> byte_ids;
  byte_ids.fill(-1);
  byte_ids['a'] = 0;
  byte_ids['b'] = 1;
  const std::vector<Bpe::Merge> merges = {{0, 1, 2}};
  std::vector<int> by_merges, whole;
  Bpe(table, 4, byte_ids, merges, false).encode("abb", by_merges);
  Bpe(table, 4, byte_ids, merges, true).encode("abb", whole);
  EXPECT_EQ(by_merges, (std::vector<int>{2, 1}));
  EXPECT_EQ(whole, (std::vector<int>{3}));
}

TEST(TokenTable, FindsEveryTokenAndTheFirstOfEquals) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 5000; ++i) tokens.push_back("token" + std::to_string(i * 7919));
  tokens.push_back(tokens[17]);
  tokens.push_back("");
  const TokenTable table(tokens);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(table.find(tokens[static_cast<std::size_t>(i)]), i);
  EXPECT_EQ(table.find(""), -1);
  EXPECT_EQ(table.find("token"), -1);
}

}  // namespace
}  // namespace r1
