// prefix_spill.h: carries blocks between the KV cache and the prefix store. A block published in memory is written when
// the store's queue has room, if it still holds what it was published for; the engine never waits for the disk to
// write.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/kv_block_pool.h"
#include "engine/prefix_store.h"
#include "ops/kv_cache.h"

namespace r1 {

class PrefixSpill {
 public:
  PrefixSpill(std::unique_ptr<PrefixStore> store, const KvCache& kv) : store_(std::move(store)), kv_(kv) {}

  bool has(const PrefixName& name) const { return store_->has(name); }
  bool load(const PrefixName& name, KvBlockId id);  // into the cache; false: not stored, or not whole

  void add(const PrefixName& name, KvBlockId id) { pending_.emplace_back(name, id); }
  bool is_pending() const { return !pending_.empty(); }
  void write_some(const KvBlockPool& pool);  // as the queue has room
  void write_rest(const KvBlockPool& pool);  // waits: the engine is ending

 private:
  void write_next(const KvBlockPool& pool);

  std::unique_ptr<PrefixStore> store_;
  const KvCache& kv_;
  std::deque<std::pair<PrefixName, KvBlockId>> pending_;
  std::vector<std::byte> block_;  // [block_bytes] a block on its way into the cache
};

}  // namespace r1
