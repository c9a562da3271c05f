// kv_block_pool.h: which cache blocks are free, which are in use, and which full ones hold a prefix worth keeping.
//
// A full block is identified by its 64 tokens and by the block before it, so a chain of blocks is a prefix. Sequences
// that begin alike share the blocks of what they have in common. A block nobody uses keeps its content until its room
// is needed: least recently used first, and within one sequence the end before the beginning, so that what is left is a
// prefix still.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "ops/kv_cache.h"

namespace r1 {

class KvBlockPool {
 public:
  explicit KvBlockPool(int n_blocks);

  int n_blocks() const { return static_cast<int>(blocks_.size()); }
  int n_available() const;  // free, or kept only for their content

  // A block for the caller alone; its former content is forgotten. Empty when all are in use.
  std::optional<KvBlockId> allocate();

  // The longest run of known blocks that tokens begin with, at most max_blocks; each is now shared by the caller too.
  std::vector<KvBlockId> find_prefix(std::span<const int> tokens, int max_blocks);

  // Says that block `id` now holds these 64 tokens after `previous_id` (-1: at the beginning). If the same content is
  // known already, nothing changes.
  void publish(KvBlockId id, KvBlockId previous_id, std::span<const int> tokens);

  void release(std::span<const KvBlockId> ids);  // the caller's share of a sequence's blocks, first to last
  void forget_contents();                        // new weights: no kept content is valid any more

 private:
  struct Block {
    int n_users = 0;
    std::uint64_t content = 0;            // unique name of what it holds; 0: nothing known
    std::uint64_t previous = 0;           // content of the block before it; 0: none
    std::vector<int> tokens;              // [64] when content != 0
    std::list<KvBlockId>::iterator kept;  // place in kept_ when n_users == 0 and content != 0
  };

  std::uint64_t key_of(std::uint64_t previous, std::span<const int> tokens) const;
  KvBlockId find(std::uint64_t previous, std::span<const int> tokens) const;  // -1: not known
  void forget(KvBlockId id);
  Block& at(KvBlockId id) { return blocks_[static_cast<std::size_t>(id)]; }
  const Block& at(KvBlockId id) const { return blocks_[static_cast<std::size_t>(id)]; }

  std::vector<Block> blocks_;
  std::vector<KvBlockId> free_;
  std::list<KvBlockId> kept_;  // nobody's blocks with content, next to be given up first
  std::unordered_multimap<std::uint64_t, KvBlockId> by_key_;
  std::uint64_t last_content_ = 0;
};

}  // namespace r1
