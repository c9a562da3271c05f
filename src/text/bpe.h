// bpe.h: byte-pair merges, applied to one piece of text.
//
// The law: of all neighbouring pairs that have a merge, the one with the best rank is joined, the leftmost first among
// equals, until none is left. Immutable after construction but for `settled_`, a set of answers already found out; any
// thread may use it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

// Token bytes to id: an open-addressing table of ids, so that a look-up touches one slot and one token.
class TokenTable {
 public:
  // `tokens` must outlive the table; an empty token is in no text and is left out; of equal ones the first counts.
  explicit TokenTable(std::span<const std::string> tokens);
  int find(std::string_view bytes) const;  // -1: none

 private:
  struct Slot {
    std::uint32_t hash_rest = 0;
    int id = -1;
  };
  std::span<const std::string> tokens_;
  std::vector<Slot> slots_;
};

class Bpe {
 public:
  struct Merge {
    int left, right, result;  // ids
  };
  // `merges`: best first; of equal pairs the first counts. `byte_ids`: -1 for a byte that has no token, which encode
  // leaves out (SmolLM2 has none for 21 bytes). `ignore_merges`: a piece that is a token is that token, whatever the
  // merges say.
  Bpe(const TokenTable& tokens, int n_tokens, std::array<int, 256> byte_ids, std::span<const Merge> merges,
      bool ignore_merges);

  // Appends the piece's tokens. Time n log n in its length.
  void encode(std::string_view piece, std::vector<int>& ids) const;

 private:
  static constexpr int kNoRank = INT32_MAX;
  struct PairSlot {
    std::uint64_t pair;
    int rank;
  };

  int rank(int left, int right) const;  // kNoRank: no such merge
  void insert(std::uint64_t pair, int rank);
  void merge(std::string_view piece, std::vector<int>& ids) const;
  void merge_short(std::span<int> symbols, std::vector<int>& ids) const;
  void merge_long(std::span<const int> symbols, std::vector<int>& ids) const;

  const TokenTable* tokens_;
  std::array<int, 256> byte_ids_;
  std::vector<PairSlot> pairs_;
  std::vector<int> results_;  // [n_merges] by rank
  bool ignore_merges_;

  // Most pieces of ordinary text are tokens, and merging a token's bytes mostly gives that token. Whether it does is
  // found out once per token: kWhole pieces are then one look-up. English is encoded 2.0 times as fast for it, C++
  // 1.45 times, Chinese 1.15 times (DeepSeek-V3's vocabulary, texts of 10 kB).
  enum Settled : std::uint8_t { kUnknown, kWhole, kInParts };
  std::unique_ptr<std::atomic<std::uint8_t>[]> settled_;  // [n_tokens]
};

}  // namespace r1
