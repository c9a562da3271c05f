// prefix_spill.cpp: a stored block is the cache's blocks of all layers, keys before values.
#include "engine/prefix_spill.h"

#include <cstring>

namespace r1 {
namespace {

// Calls visit(bytes in the cache, where they are in a stored block) for each piece of block `id`.
template <typename Visit>
void for_each_piece(const KvCache& kv, KvBlockId id, Visit visit) {
  const auto k_bytes = static_cast<std::size_t>(KvCache::kBlockTokens * kv.k_row_bytes());
  const auto v_bytes = static_cast<std::size_t>(KvCache::kBlockTokens * kv.v_row_bytes());
  std::size_t offset = 0;
  for (int layer = 0; layer < kv.layout().n_layers; ++layer) {
    visit(std::span(kv.k_block(layer, id), k_bytes), offset);
    visit(std::span(kv.v_block(layer, id), v_bytes), offset + k_bytes);
    offset += k_bytes + v_bytes;
  }
}

}  // namespace

bool PrefixSpill::load(const PrefixName& name, KvBlockId id) {
  block_.resize(static_cast<std::size_t>(kv_.layout().block_bytes()));
  if (!store_->read(name, block_)) return false;
  for_each_piece(kv_, id, [&](std::span<std::byte> piece, std::size_t offset) {
    if (!piece.empty()) std::memcpy(piece.data(), block_.data() + offset, piece.size());
  });
  return true;
}

void PrefixSpill::write_some(const KvBlockPool& pool) {
  while (!pending_.empty() && store_->can_write()) write_next(pool);
}

void PrefixSpill::write_rest(const KvBlockPool& pool) {
  while (!pending_.empty()) write_next(pool);
}

void PrefixSpill::write_next(const KvBlockPool& pool) {
  const auto [name, id] = std::move(pending_.front());
  pending_.pop_front();
  if (!pool.holds(id, name)) return;  // its room was needed before the disk had time
  std::vector<std::byte> block(static_cast<std::size_t>(kv_.layout().block_bytes()));
  for_each_piece(kv_, id, [&](std::span<std::byte> piece, std::size_t offset) {
    if (!piece.empty()) std::memcpy(block.data() + offset, piece.data(), piece.size());
  });
  store_->write(name, std::move(block));
}

}  // namespace r1
