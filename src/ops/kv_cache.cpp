// kv_cache.cpp: one anonymous mapping, cut into layers, blocks and rows.
#include "ops/kv_cache.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/assert.h"
#include "kernels/kernels.h"

namespace r1 {

std::int64_t KvLayout::block_bytes() const {
  return std::int64_t{n_layers} * KvCache::kBlockTokens * (bytes_of(dtype, k_width) + bytes_of(dtype, v_width));
}

KvCache::KvCache(KvLayout layout, int n_blocks)
    : layout_(layout),
      n_blocks_(n_blocks),
      k_row_bytes_(bytes_of(layout.dtype, layout.k_width)),
      v_row_bytes_(bytes_of(layout.dtype, layout.v_width)),
      memory_bytes_(layout.block_bytes() * n_blocks) {
  R1_ASSERT(n_blocks > 0 && memory_bytes_ > 0, "a cache holds something");
  R1_ASSERT(is_plain_float(layout.dtype) || layout.dtype == Dtype::kQ8_0, "formats that attention reads");
  void* memory = ::mmap(nullptr, static_cast<std::size_t>(memory_bytes_), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  R1_ASSERT(memory != MAP_FAILED, "address space for the cache");
  memory_ = static_cast<std::byte*>(memory);
  // Pages of 2 MB where the system has them: attention reads all of a long context for every token.
  (void)::madvise(memory_, static_cast<std::size_t>(memory_bytes_), MADV_HUGEPAGE);
}

KvCache::~KvCache() { ::munmap(memory_, static_cast<std::size_t>(memory_bytes_)); }

std::byte* KvCache::k_block(int layer, KvBlockId block) const {
  R1_DCHECK(layer >= 0 && layer < layout_.n_layers && block >= 0 && block < n_blocks_);
  return memory_ + (std::int64_t{layer} * n_blocks_ + block) * kBlockTokens * (k_row_bytes_ + v_row_bytes_);
}

std::byte* KvCache::v_block(int layer, KvBlockId block) const {
  return k_block(layer, block) + kBlockTokens * k_row_bytes_;
}

void KvCache::write_k(int layer, std::span<const KvBlockId> blocks, int position, const float* row) const {
  std::byte* block = k_block(layer, blocks[static_cast<std::size_t>(position / kBlockTokens)]);
  kernels(layout_.dtype).quantize(row, block + position % kBlockTokens * k_row_bytes_, layout_.k_width);
}

void KvCache::write_v(int layer, std::span<const KvBlockId> blocks, int position, const float* row) const {
  std::byte* block = v_block(layer, blocks[static_cast<std::size_t>(position / kBlockTokens)]);
  kernels(layout_.dtype).quantize(row, block + position % kBlockTokens * v_row_bytes_, layout_.v_width);
}

}  // namespace r1
