// attend_rows.h: softmax attention of some query rows over a sequence's keys and values, block by block (Milakov &
// Gimelshein 2018, "Online normalizer calculation for softmax"; Dao et al. 2022). The core that GQA and both kernels of
// MLA share.
//
// Blocks are the cache's 64 tokens, always taken from position 0 on and always whole: rows beyond a query's position
// count as exp(-inf) = 0. So a query's sums run in one order whether it is computed in a prompt of a thousand rows or
// alone. Scores are sums in another order for transposed keys: which kind of keys a row meets must be a property of the
// row.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "ops/kv_cache.h"

namespace r1 {

inline constexpr int kBlockPositions = KvCache::kBlockTokens;  // of the cache that are looked at together

// Keys and values of one block of positions, as one head sees them.
struct KvSlice {
  const std::byte* k = nullptr;  // [n_tokens, k_width], rows k_row_bytes apart; or in its place:
  std::int64_t k_row_bytes = 0;
  const float* k_transposed = nullptr;  // [k_width, kBlockTokens]: keys made for many queries; zeros after n_tokens
  const std::byte* v = nullptr;         // [n_tokens, v_width], rows v_row_bytes apart
  std::int64_t v_row_bytes = 0;
  const std::byte *next_k = nullptr, *next_v = nullptr;  // of the slice that comes after, or null; to read ahead
  Dtype dtype = Dtype::kF32;
  int first_position = 0;
  int n_tokens = 0;  // rows that hold something, at most KvCache::kBlockTokens
};

// The slice itself, or, of a cache in 8 bit, its rows as f32 in `decoded`: decoded_floats() of them.
std::int64_t decoded_floats(Dtype dtype, int k_width, int v_width);
KvSlice decode_slice(const KvSlice& slice, int k_width, int v_width, float* decoded);

class AttendRows {
 public:
  struct Shape {
    int n_rows = 0;  // queries
    int k_width = 0, v_width = 0;
  };
  // Floats of scratch that a tile of n_rows queries needs.
  static std::int64_t scratch_floats(int n_rows);

  // q: [n_rows, k_width], already scaled, rows q_stride apart. positions: [n_rows] of the queries, ascending.
  // out: [n_rows, v_width], rows out_stride apart; holds the answer after finish().
  AttendRows(Shape shape, const float* q, std::int64_t q_stride, const int* positions, float* out,
             std::int64_t out_stride, float* scratch);

  void take(const KvSlice& slice);  // slices in order of position
  void finish();                    // divides by the sums

  // In place of finish(), for those who put parts of a sequence together: [n_rows] each row's largest score, and what
  // its answer is yet to be divided by.
  const float* maxima() const { return max_; }
  const float* weights() const { return sum_; }

 private:
  void score(const KvSlice& slice, int first_row);
  void weigh(const KvSlice& slice, int first_row);

  Shape shape_;
  const float* q_;
  std::int64_t q_stride_;
  const int* positions_;
  float* out_;
  std::int64_t out_stride_;
  float *max_, *sum_, *alpha_;  // [n_rows]
  float* scores_;               // [n_rows, kBlockTokens]
  bool is_empty_ = true;        // no slice was taken
};

}  // namespace r1
