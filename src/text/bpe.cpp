// bpe.cpp: short pieces by rescanning, long ones by a heap over a linked list; both obey the same law.
#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

namespace r1 {
namespace {

// Up to here rescanning all pairs after each merge is faster than keeping a heap.
constexpr std::size_t kShort = 48;

std::uint64_t mix(std::uint64_t x) {  // the finaliser of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = bytes.size(), word = 0;
  while (bytes.size() > sizeof word) {
    std::memcpy(&word, bytes.data(), sizeof word);
    hash = mix(hash ^ word);
    bytes.remove_prefix(sizeof word);
  }
  word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  return mix(hash ^ word);
}

std::uint64_t pair_of(int left, int right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}
constexpr std::uint64_t kNoPair = UINT64_MAX;  // (-1, -1): never asked for

}  // namespace

TokenTable::TokenTable(std::span<const std::string> tokens)
    : tokens_(tokens), slots_(std::bit_ceil(tokens.size() * 2 + 1)) {
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty() || find(tokens[id]) >= 0) continue;
    const std::uint64_t hash = hash_of(tokens[id]);
    std::size_t i = hash & (slots_.size() - 1);
    while (slots_[i].id >= 0) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = {static_cast<std::uint32_t>(hash >> 32), static_cast<int>(id)};
  }
}

int TokenTable::find(std::string_view bytes) const {
  const std::uint64_t hash = hash_of(bytes);
  const auto hash_rest = static_cast<std::uint32_t>(hash >> 32);
  for (std::size_t i = hash & (slots_.size() - 1); slots_[i].id >= 0; i = (i + 1) & (slots_.size() - 1)) {
    if (slots_[i].hash_rest == hash_rest && tokens_[static_cast<std::size_t>(slots_[i].id)] == bytes)
      return slots_[i].id;
  }
  return -1;
}

Bpe::Bpe(const TokenTable& tokens, int n_tokens, std::array<int, 256> byte_ids, std::span<const Merge> merges,
         bool ignore_merges)
    : tokens_(&tokens),
      byte_ids_(byte_ids),
      pairs_(std::bit_ceil(merges.size() * 2 + 1), PairSlot{kNoPair, kNoRank}),
      ignore_merges_(ignore_merges),
      settled_(std::make_unique<std::atomic<std::uint8_t>[]>(static_cast<std::size_t>(n_tokens))) {
  results_.reserve(merges.size());
  for (const Merge& merge : merges) {
    insert(pair_of(merge.left, merge.right), static_cast<int>(results_.size()));
    results_.push_back(merge.result);
  }
}

void Bpe::insert(std::uint64_t pair, int rank) {
  std::size_t i = mix(pair) & (pairs_.size() - 1);
  for (; pairs_[i].pair != kNoPair; i = (i + 1) & (pairs_.size() - 1)) {
    if (pairs_[i].pair == pair) return;
  }
  pairs_[i] = {pair, rank};
}

int Bpe::rank(int left, int right) const {
  const std::uint64_t pair = pair_of(left, right);
  std::size_t i = mix(pair) & (pairs_.size() - 1);
  while (pairs_[i].pair != pair && pairs_[i].pair != kNoPair) i = (i + 1) & (pairs_.size() - 1);
  return pairs_[i].rank;  // an empty slot's is kNoRank
}

void Bpe::encode(std::string_view piece, std::vector<int>& ids) const {
  const int token = tokens_->find(piece);
  if (token < 0) return merge(piece, ids);
  // Relaxed: whoever reads an older value only finds the same answer again.
  std::atomic<std::uint8_t>& settled = settled_[static_cast<std::size_t>(token)];
  const std::uint8_t known = ignore_merges_ ? std::uint8_t{kWhole} : settled.load(std::memory_order_relaxed);
  if (known == kWhole) return ids.push_back(token);
  const std::size_t before = ids.size();
  merge(piece, ids);
  if (known == kUnknown) {
    const bool whole = ids.size() == before + 1 && ids.back() == token;
    settled.store(whole ? kWhole : kInParts, std::memory_order_relaxed);
  }
}

void Bpe::merge(std::string_view piece, std::vector<int>& ids) const {
  const auto id_of = [this](char c) { return byte_ids_[static_cast<std::uint8_t>(c)]; };
  if (piece.size() <= kShort) {
    std::array<int, kShort> symbols;
    std::size_t n = 0;
    for (const char c : piece) {
      if (id_of(c) >= 0) symbols[n++] = id_of(c);
    }
    return merge_short({symbols.data(), n}, ids);
  }
  std::vector<int> symbols;
  symbols.reserve(piece.size());
  for (const char c : piece) {
    if (id_of(c) >= 0) symbols.push_back(id_of(c));
  }
  merge_long(symbols, ids);
}

void Bpe::merge_short(std::span<int> symbols, std::vector<int>& ids) const {
  std::array<int, kShort> ranks;  // of the pair that begins at each symbol
  std::size_t n = symbols.size();
  for (std::size_t i = 0; i + 1 < n; ++i) ranks[i] = rank(symbols[i], symbols[i + 1]);
  while (n > 1) {
    const auto best = static_cast<std::size_t>(std::min_element(ranks.begin(), ranks.begin() + n - 1) - ranks.begin());
    if (ranks[best] == kNoRank) break;
    symbols[best] = results_[static_cast<std::size_t>(ranks[best])];
    std::copy(symbols.begin() + best + 2, symbols.begin() + n, symbols.begin() + best + 1);
    std::copy(ranks.begin() + best + 1, ranks.begin() + n - 1, ranks.begin() + best);
    --n;
    if (best + 1 < n) ranks[best] = rank(symbols[best], symbols[best + 1]);
    if (best > 0) ranks[best - 1] = rank(symbols[best - 1], symbols[best]);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.begin() + n);
}

void Bpe::merge_long(std::span<const int> symbols, std::vector<int>& ids) const {
  struct Node {
    int id, previous, next;
    int rank;  // of the pair with the next one
  };
  const int n = static_cast<int>(symbols.size());
  std::vector<Node> nodes(symbols.size() + 1, Node{-1, -1, n, kNoRank});  // the last one is the end of the list
  const auto node = [&](int i) -> Node& { return nodes[static_cast<std::size_t>(i)]; };
  // rank << 32 | position: the least is the best rank, leftmost. An entry whose node has another rank by now is stale.
  std::vector<std::uint64_t> heap;
  const auto entry = [&](int i) {
    return static_cast<std::uint64_t>(node(i).rank) << 32 | static_cast<std::uint32_t>(i);
  };
  const auto set_rank = [&](int i) {
    node(i).rank = node(i).next < n ? rank(node(i).id, node(node(i).next).id) : kNoRank;
  };

  for (int i = 0; i < n; ++i) node(i) = {symbols[static_cast<std::size_t>(i)], i - 1, i + 1, kNoRank};
  for (int i = 0; i < n; ++i) {
    set_rank(i);
    if (node(i).rank != kNoRank) heap.push_back(entry(i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto offer = [&](int i) {
    set_rank(i);
    if (node(i).rank == kNoRank) return;
    heap.push_back(entry(i));
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const std::uint64_t best = heap.back();
    heap.pop_back();
    const auto i = static_cast<int>(best & UINT32_MAX);
    if (node(i).rank != static_cast<int>(best >> 32)) continue;
    const int absorbed = node(i).next;
    node(i).id = results_[static_cast<std::size_t>(node(i).rank)];
    node(i).next = node(absorbed).next;
    node(node(i).next).previous = i;
    node(absorbed).rank = kNoRank;
    offer(i);
    if (node(i).previous >= 0) offer(node(i).previous);
  }
  for (int i = 0; i < n; i = node(i).next) ids.push_back(node(i).id);
}

}  // namespace r1
