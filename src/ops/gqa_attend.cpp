// gqa_attend.cpp: a task is one key-value head of one tile of rows: the heads of its group read the same keys and
// values together.
#include <algorithm>
#include <vector>

#include "kernels/float_ops.h"
#include "ops/attend_backward.h"
#include "ops/attend_rows.h"
#include "ops/attention.h"
#include "ops/profile.h"
#include "ops/tape.h"

namespace r1 {
namespace {

constexpr int kTileRows =
    16;  // rows of a sequence that one task takes: its queries and sums stay in the first-level cache

struct Tile {
  const SequenceRows* sequence;
  int first, n_rows;  // within the sequence's rows
};

std::vector<Tile> cut_into_tiles(const Batch& batch) {
  std::vector<Tile> tiles;
  for (const SequenceRows& sequence : batch.sequences) {
    for (int first = 0; first < sequence.n_rows; first += kTileRows) {
      tiles.push_back({&sequence, first, std::min(kTileRows, sequence.n_rows - first)});
    }
  }
  return tiles;
}

void rotate_and_store(Pass& pass, const GqaShape& s, Tensor q, Tensor k, Tensor v, const RopeAngles& angles,
                      RopePairing pairing, int layer) {
  const auto n_dims = static_cast<int>(2 * angles.cos.n_cols());
  pass.pool.run(static_cast<int>(pass.batch.sequences.size()), [&](int i, int) {
    const SequenceRows& sequence = pass.batch.sequences[static_cast<std::size_t>(i)];
    for (int r = 0; r < sequence.n_rows; ++r) {
      const int row = sequence.first_row + r;
      const float *cos = angles.cos.row(row), *sin = angles.sin.row(row);
      rotate_heads(q.row(row), s.n_heads, s.head_dim, cos, sin, n_dims, pairing);
      rotate_heads(k.row(row), s.n_kv_heads, s.head_dim, cos, sin, n_dims, pairing);
      scale(q.row(row), s.scale, q.n_cols());
      pass.kv.write_k(layer, sequence.blocks, sequence.first_position + r, k.row(row));
      pass.kv.write_v(layer, sequence.blocks, sequence.first_position + r, v.row(row));
    }
  });
}

// Gathers the group's queries of the tile as rows of one matrix, attends, and scatters the answers.
void attend_tile(const Pass& pass, const GqaShape& s, const Tile& tile, int kv_head, Tensor q, Tensor out, int layer,
                 float* scratch) {
  const int group = s.n_heads / s.n_kv_heads;
  const int n_queries = tile.n_rows * group;
  const SequenceRows& sequence = *tile.sequence;
  float* queries = scratch;                                         // [n_queries, head_dim]
  float* answers = queries + std::int64_t{n_queries} * s.head_dim;  // [n_queries, head_dim]
  float* work = answers + std::int64_t{n_queries} * s.head_dim;
  float* decoded = work + AttendRows::scratch_floats(n_queries);
  int positions[kTileRows * 64];
  for (int i = 0; i < n_queries; ++i) {
    const int r = tile.first + i / group, head = kv_head * group + i % group;
    positions[i] = sequence.first_position + r;
    std::copy_n(q.row(sequence.first_row + r) + head * s.head_dim, s.head_dim, queries + std::int64_t{i} * s.head_dim);
  }

  AttendRows attend({n_queries, s.head_dim, s.head_dim}, queries, s.head_dim, positions, answers, s.head_dim, work);
  const std::int64_t head_bytes = bytes_of(pass.kv.layout().dtype, s.head_dim) * kv_head;
  const int n_positions = sequence.first_position + tile.first + tile.n_rows;
  for (int first = 0; first < n_positions; first += KvCache::kBlockTokens) {
    const auto i = static_cast<std::size_t>(first / KvCache::kBlockTokens);
    const KvBlockId block = sequence.blocks[i];
    const KvBlockId next = first + KvCache::kBlockTokens < n_positions ? sequence.blocks[i + 1] : block;
    const KvSlice slice{.k = pass.kv.k_block(layer, block) + head_bytes,
                        .k_row_bytes = pass.kv.k_row_bytes(),
                        .v = pass.kv.v_block(layer, block) + head_bytes,
                        .v_row_bytes = pass.kv.v_row_bytes(),
                        .next_k = pass.kv.k_block(layer, next) + head_bytes,
                        .next_v = pass.kv.v_block(layer, next) + head_bytes,
                        .dtype = pass.kv.layout().dtype,
                        .first_position = first,
                        .n_tokens = std::min(KvCache::kBlockTokens, n_positions - first)};
    attend.take(decode_slice(slice, s.head_dim, s.head_dim, decoded));
  }
  attend.finish();

  for (int i = 0; i < n_queries; ++i) {
    const int r = tile.first + i / group, head = kv_head * group + i % group;
    std::copy_n(answers + std::int64_t{i} * s.head_dim, s.head_dim,
                out.row(sequence.first_row + r) + head * s.head_dim);
  }
}

// Gradients with respect to what q and k were before they were rotated in place, q scaled too.
void turn_gradients_back(const GqaShape& s, const Tensor& q, const Tensor& k, const RopeAngles& angles,
                         RopePairing pairing) {
  const auto n_dims = static_cast<int>(2 * angles.cos.n_cols());
  for (std::int64_t row = 0; row < q.n_rows(); ++row) {
    const float *cos = angles.cos.row(row), *sin = angles.sin.row(row);
    scale(q.grad_row(row), s.scale, q.n_cols());
    rotate_heads_back(q.grad_row(row), s.n_heads, s.head_dim, cos, sin, n_dims, pairing);
    rotate_heads_back(k.grad_row(row), s.n_kv_heads, s.head_dim, cos, sin, n_dims, pairing);
  }
}

// A task is one key-value head of one sequence: the heads of its group add to its gradients in their order.
void add_gradients(Pass& pass, const GqaShape& s, Tensor q, Tensor k, Tensor v, Tensor out) {
  const ArenaScope scope(pass.arena);
  const std::vector<WholeSequence> sequences = whole_sequences(pass.batch);
  const int group = s.n_heads / s.n_kv_heads;
  const std::int64_t n_floats = (head_gradient_floats(pass.n_tokens(), s.head_dim, s.head_dim) + 15) / 16 * 16;
  float* scratch = pass.arena.allocate_floats(n_floats * pass.pool.n_threads());
  pass.pool.run(static_cast<int>(sequences.size()) * s.n_kv_heads, [&](int task, int thread) {
    const WholeSequence& sequence = sequences[static_cast<std::size_t>(task / s.n_kv_heads)];
    const int kv_head = task % s.n_kv_heads, first = sequence.first_row;
    const std::int64_t kv_at = std::int64_t{kv_head} * s.head_dim;
    for (int head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      const std::int64_t at = std::int64_t{head} * s.head_dim;
      add_head_gradients({.n_rows = sequence.n_rows,
                          .k_width = s.head_dim,
                          .v_width = s.head_dim,
                          .q = {q.row(first) + at, q.n_cols()},
                          .k = {k.row(first) + kv_at, k.n_cols()},
                          .v = {v.row(first) + kv_at, v.n_cols()},
                          .out = {out.row(first) + at, out.n_cols()},
                          .d_out = {out.grad_row(first) + at, out.n_cols()},
                          .d_q = {q.grad_row(first) + at, q.n_cols()},
                          .d_k = {k.grad_row(first) + kv_at, k.n_cols()},
                          .d_v = {v.grad_row(first) + kv_at, v.n_cols()}},
                         scratch + n_floats * thread);
    }
  });
}

}  // namespace

Tensor gqa_attend(Pass& pass, const GqaShape& s, Tensor q, Tensor k, Tensor v, const RopeAngles& angles,
                  RopePairing pairing, int layer) {
  OpTimer timer(pass, "gqa_attend");
  if (timer.is_on()) count_attention(timer, pass, s.n_heads, 2 * s.head_dim);
  R1_SHAPE(q, {pass.n_tokens(), s.n_heads * s.head_dim});
  R1_SHAPE(k, {pass.n_tokens(), s.n_kv_heads * s.head_dim});
  R1_SHAPE(v, {pass.n_tokens(), s.n_kv_heads * s.head_dim});
  const int group = s.n_heads / s.n_kv_heads;
  R1_ASSERT(group <= 64, "heads per key-value head, checked by the loader");
  rotate_and_store(pass, s, q, k, v, angles, pairing, layer);

  Tensor out = pass.make(q.shape);
  const ArenaScope scope(pass.arena);
  const std::vector<Tile> tiles = cut_into_tiles(pass.batch);
  const std::int64_t scratch_floats = std::int64_t{kTileRows} * group * 2 * s.head_dim +
                                      AttendRows::scratch_floats(kTileRows * group) +
                                      decoded_floats(pass.kv.layout().dtype, s.head_dim, s.head_dim);
  float* scratch = pass.arena.allocate_floats(scratch_floats * pass.pool.n_threads());
  pass.pool.run(static_cast<int>(tiles.size()) * s.n_kv_heads, [&](int task, int thread) {
    attend_tile(pass, s, tiles[static_cast<std::size_t>(task / s.n_kv_heads)], task % s.n_kv_heads, q, out, layer,
                scratch + scratch_floats * thread);
  });
  if (pass.tape != nullptr) {
    R1_ASSERT(pass.kv.layout().dtype == Dtype::kF32, "gradients are of attention to unrounded keys and values");
    pass.tape->record([s, q, k, v, out, angles, pairing](Pass& p) {
      add_gradients(p, s, q, k, v, out);
      turn_gradients_back(s, q, k, angles, pairing);
    });
  }
  return out;
}

}  // namespace r1
