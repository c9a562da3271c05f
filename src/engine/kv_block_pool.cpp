// kv_block_pool.cpp: reference counts, names of contents, a list in order of last use.
#include "engine/kv_block_pool.h"

#include "base/assert.h"

namespace r1 {

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

std::vector<KvBlockId> KvBlockPool::find_prefix(std::span<const PrefixName> names) {
  std::vector<KvBlockId> found;
  for (const PrefixName& name : names) {
    const auto known = by_name_.find(name);
    if (known == by_name_.end()) break;
    Block& block = at(known->second);
    if (block.n_users++ == 0) kept_.erase(block.kept);
    found.push_back(known->second);
  }
  return found;
}

bool KvBlockPool::publish(KvBlockId id, const PrefixName& name) {
  Block& block = at(id);
  R1_ASSERT(block.n_users > 0 && block.name.empty(), "blocks in use are published, once");
  if (!by_name_.emplace(name, id).second) return false;
  block.name = name;
  return true;
}

void KvBlockPool::release(std::span<const KvBlockId> ids) {
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) {
    Block& block = at(*id);
    R1_ASSERT(block.n_users > 0, "only blocks in use are released");
    if (--block.n_users > 0) continue;
    if (block.name.empty())
      free_.push_back(*id);
    else
      block.kept = kept_.insert(kept_.end(), *id);
  }
}

void KvBlockPool::forget_contents() {
  for (const KvBlockId id : kept_) free_.push_back(id);
  kept_.clear();
  by_name_.clear();
  for (Block& block : blocks_) block.name.clear();
}

void KvBlockPool::forget(KvBlockId id) {
  by_name_.erase(at(id).name);
  at(id).name.clear();
}

}  // namespace r1
