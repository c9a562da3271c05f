// kv_block_pool.h: which cache blocks are free, which are in use, and which full ones hold a prefix worth keeping.
//
// A full block is known by its name (engine/prefix_name.h), which stands for its 64 tokens and all before them.
// Sequences of an account that begin alike share the blocks of what they have in common. A block nobody uses keeps its
// content until its room is needed: least recently used first, and within one sequence the end before the beginning, so
// that what is left is a prefix still.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/prefix_name.h"
#include "ops/kv_cache.h"

namespace r1 {

class KvBlockPool {
 public:
  explicit KvBlockPool(int n_blocks);

  int n_blocks() const { return static_cast<int>(blocks_.size()); }
  int n_available() const;  // free, or kept only for their content

  // A block for the caller alone; its former content is forgotten. Empty when all are in use.
  std::optional<KvBlockId> allocate();

  // The longest run of known blocks that `names`, a prompt's from its beginning, begin with; each is now shared by the
  // caller too.
  std::vector<KvBlockId> find_prefix(std::span<const PrefixName> names);

  // Says that block `id`, the caller's, now holds what `name` stands for. False when another block does already: then
  // nothing changes.
  bool publish(KvBlockId id, const PrefixName& name);

  bool holds(KvBlockId id, const PrefixName& name) const { return at(id).name == name; }

  void release(std::span<const KvBlockId> ids);  // the caller's share of a sequence's blocks, first to last
  void forget_contents();                        // new weights: no kept content is valid any more

 private:
  struct Block {
    int n_users = 0;
    PrefixName name;                      // of what it holds; empty: nothing known
    std::list<KvBlockId>::iterator kept;  // place in kept_ when n_users == 0 and it has a name
  };

  void forget(KvBlockId id);
  Block& at(KvBlockId id) { return blocks_[static_cast<std::size_t>(id)]; }
  const Block& at(KvBlockId id) const { return blocks_[static_cast<std::size_t>(id)]; }

  std::vector<Block> blocks_;
  std::vector<KvBlockId> free_;
  std::list<KvBlockId> kept_;  // nobody's blocks with content, next to be given up first
  std::unordered_map<PrefixName, KvBlockId> by_name_;
};

}  // namespace r1
