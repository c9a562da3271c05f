// kv_cache.h: storage for what attention remembers, in blocks of 64 tokens. Who owns which block is the scheduler's
// business.
//
// GQA keeps a key row and a value row per token and layer: [n_kv_heads * head_dim] each. MLA keeps one row of
// kv_lora_rank + qk_rope_head_dim numbers, the normed latent and the rotated shared key (DeepSeek-V3 report, 2.1.1),
// and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/dtype.h"

namespace r1 {

using KvBlockId = std::int32_t;

struct KvLayout {
  int n_layers = 0;
  int k_width = 0;            // numbers of a token's key row; MLA: the latent row
  int v_width = 0;            // MLA: 0
  Dtype dtype = Dtype::kF16;  // F32, F16, BF16, or Q8_0 where heads and rows are whole blocks of 32

  std::int64_t block_bytes() const;  // all layers
};

class KvCache {
 public:
  static constexpr int kBlockTokens = 64;

  // Address space for n_blocks; the system gives memory when a block is first written.
  KvCache(KvLayout layout, int n_blocks);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  const KvLayout& layout() const { return layout_; }
  int n_blocks() const { return n_blocks_; }
  std::int64_t k_row_bytes() const { return k_row_bytes_; }
  std::int64_t v_row_bytes() const { return v_row_bytes_; }

  std::byte* k_block(int layer, KvBlockId block) const;  // [kBlockTokens, k_width]
  std::byte* v_block(int layer, KvBlockId block) const;  // [kBlockTokens, v_width]

  // Rounds a row of f32 to the cache's format and stores it at a position of a sequence whose blocks are given.
  void write_k(int layer, std::span<const KvBlockId> blocks, int position, const float* row) const;  // [k_width]
  void write_v(int layer, std::span<const KvBlockId> blocks, int position, const float* row) const;  // [v_width]

 private:
  KvLayout layout_;
  int n_blocks_;
  std::int64_t k_row_bytes_, v_row_bytes_;
  std::byte* memory_ = nullptr;  // [n_layers, n_blocks, {k block, v block}]
  std::int64_t memory_bytes_;
};

}  // namespace r1
