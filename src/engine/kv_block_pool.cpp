// kv_block_pool.cpp: reference counts, a hash of contents, a list in order of last use.
#include "engine/kv_block_pool.h"

#include <algorithm>

#include "base/assert.h"

namespace r1 {

constexpr std::size_t kBlockTokens = KvCache::kBlockTokens;

KvBlockPool::KvBlockPool(int n_blocks) : blocks_(static_cast<std::size_t>(n_blocks)) {
  for (KvBlockId id = n_blocks - 1; id >= 0; --id) free_.push_back(id);
}

int KvBlockPool::n_available() const { return static_cast<int>(free_.size() + kept_.size()); }

std::optional<KvBlockId> KvBlockPool::allocate() {
  if (free_.empty()) {
    if (kept_.empty()) return std::nullopt;
    const KvBlockId given_up = kept_.front();
    kept_.pop_front();
    forget(given_up);
    free_.push_back(given_up);
  }
  const KvBlockId id = free_.back();
  free_.pop_back();
  at(id).n_users = 1;
  return id;
}

std::vector<KvBlockId> KvBlockPool::find_prefix(std::span<const int> tokens, int max_blocks) {
  std::vector<KvBlockId> found;
  std::uint64_t previous = 0;
  while (static_cast<int>(found.size()) < max_blocks && tokens.size() >= kBlockTokens) {
    const KvBlockId id = find(previous, tokens.first(kBlockTokens));
    if (id < 0) break;
    if (at(id).n_users++ == 0) kept_.erase(at(id).kept);
    found.push_back(id);
    previous = at(id).content;
    tokens = tokens.subspan(kBlockTokens);
  }
  return found;
}

void KvBlockPool::publish(KvBlockId id, KvBlockId previous_id, std::span<const int> tokens) {
  R1_ASSERT(tokens.size() == kBlockTokens && at(id).n_users > 0, "full blocks in use are published");
  const std::uint64_t previous = previous_id < 0 ? 0 : at(previous_id).content;
  // A predecessor without a name was a duplicate of a known block: a chain through it could not be found.
  if (at(id).content != 0 || (previous_id >= 0 && previous == 0) || find(previous, tokens) >= 0) return;
  at(id).content = ++last_content_;
  at(id).previous = previous;
  at(id).tokens.assign(tokens.begin(), tokens.end());
  by_key_.emplace(key_of(previous, tokens), id);
}

void KvBlockPool::release(std::span<const KvBlockId> ids) {
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) {
    Block& block = at(*id);
    R1_ASSERT(block.n_users > 0, "only blocks in use are released");
    if (--block.n_users > 0) continue;
    if (block.content == 0)
      free_.push_back(*id);
    else
      block.kept = kept_.insert(kept_.end(), *id);
  }
}

void KvBlockPool::forget_contents() {
  for (const KvBlockId id : kept_) free_.push_back(id);
  kept_.clear();
  by_key_.clear();
  for (Block& block : blocks_) block.content = 0;
}

// FNV-1a over the tokens, started from the predecessor's name. Equality is checked on the tokens themselves.
std::uint64_t KvBlockPool::key_of(std::uint64_t previous, std::span<const int> tokens) const {
  std::uint64_t hash = 0xcbf29ce484222325u ^ previous;
  for (const int token : tokens) hash = (hash ^ static_cast<std::uint32_t>(token)) * 0x100000001b3u;
  return hash;
}

KvBlockId KvBlockPool::find(std::uint64_t previous, std::span<const int> tokens) const {
  const auto [first, last] = by_key_.equal_range(key_of(previous, tokens));
  for (auto entry = first; entry != last; ++entry) {
    const Block& block = at(entry->second);
    if (block.previous == previous &&
        std::equal(tokens.begin(), tokens.end(), block.tokens.begin(), block.tokens.end())) {
      return entry->second;
    }
  }
  return -1;
}

void KvBlockPool::forget(KvBlockId id) {
  const auto [first, last] = by_key_.equal_range(key_of(at(id).previous, at(id).tokens));
  by_key_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == id; }));
  at(id).content = 0;
}

}  // namespace r1
