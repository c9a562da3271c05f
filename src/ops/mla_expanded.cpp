// mla_expanded.cpp: a task is one head of up to 512 rows. It makes the head's keys and values from the latents, some
// positions at a time, and all its rows attend to them.
#include <algorithm>
#include <array>

#include "kernels/float_ops.h"
#include "kernels/kernels.h"
#include "ops/attend_rows.h"
#include "ops/linear.h"
#include "ops/mla_kernels.h"
#include "ops/turned_weight.h"

namespace r1 {
namespace {

constexpr int kTaskRows = 512;       // rows that use keys and values once they are made
constexpr int kMadePositions = 128;  // positions whose keys and values are made at a time

// In what format a head's key weights are multiplied. Stored transposed, they are turned if that is worth it, else
// summed over rows in f32.
Dtype key_dtype(const HeadWeights& w) {
  if (!w.k_is_transposed) return w.k.dtype;
  return can_be_turned(w.k) ? Dtype::kQ8_0 : Dtype::kF32;
}

// Latents of a sequence in the formats that the up-projections multiply, made once for all heads.
class SequenceLatents {
 public:
  SequenceLatents(Pass& pass, const MlaShape& s, const MlaUpProjection& up, const SequenceRows& sequence, int layer)
      : pass_(pass), s_(s), sequence_(sequence), layer_(layer) {
    const HeadWeights w = head_weights(s, up, 0);
    for (const Dtype dtype : {w.v.dtype, key_dtype(w)}) need(kernels(dtype).activation);
  }

  // Positions [first, first + n) of the sequence, n at most kMadePositions and within blocks that begin at `first`, in
  // f32.
  void decode(int first, int n, float* latents) const {
    for (int at = 0; at < n; at += kBlockPositions) {
      const KvBlockId block = sequence_.blocks[static_cast<std::size_t>((first + at) / kBlockPositions)];
      kernels(pass_.kv.layout().dtype)
          .dequantize(pass_.kv.k_block(layer_, block), latents + std::int64_t{at} * s_.latent_width(),
                      std::int64_t{std::min(kBlockPositions, n - at)} * s_.latent_width());
    }
  }

  // The same positions as activations; `latents` are theirs in f32.
  Activations::Rows rows(ActivationFormat format, int first, const float* latents) const {
    if (format == ActivationFormat::kF32) {
      return {reinterpret_cast<const std::byte*>(latents), std::int64_t{s_.latent_width()} * 4};
    }
    const std::int64_t row_bytes = activation_row_bytes(format, s_.kv_lora_rank);
    return {quantized_[static_cast<std::size_t>(format)] + first * row_bytes, row_bytes};
  }

  const SequenceRows& sequence() const { return sequence_; }

 private:
  void need(ActivationFormat format) {
    std::byte*& quantized = quantized_[static_cast<std::size_t>(format)];
    if (format == ActivationFormat::kF32 || quantized != nullptr) return;
    const int n_positions = sequence_.first_position + sequence_.n_rows;
    const std::int64_t row_bytes = activation_row_bytes(format, s_.kv_lora_rank);
    const std::int64_t block_floats = std::int64_t{kBlockPositions} * s_.latent_width();
    quantized = pass_.arena.allocate(row_bytes * n_positions);
    const ArenaScope scope(pass_.arena);
    float* scratch = pass_.arena.allocate_floats(block_floats * pass_.pool.n_threads());
    pass_.parallel_pieces(n_positions, kBlockPositions, [&](std::int64_t first, std::int64_t last, int thread) {
      float* latents = scratch + block_floats * thread;
      decode(static_cast<int>(first), static_cast<int>(last - first), latents);
      for (std::int64_t position = first; position < last; ++position, latents += s_.latent_width()) {
        quantize_activation(format, latents, quantized + position * row_bytes, s_.kv_lora_rank);
      }
    });
  }

  Pass& pass_;
  const MlaShape& s_;
  const SequenceRows& sequence_;
  int layer_;
  std::array<std::byte*, 3> quantized_{};  // by ActivationFormat: [positions]
};

// Keys and values of some positions of one head, made from their latents.
struct MadeKeysAndValues {
  float* latents;          // [kMadePositions, latent_width]
  float* keys;             // [kMadePositions, nope]
  float* values;           // [kMadePositions, v_head_dim]
  float* keys_transposed;  // [nope + rope, kBlockPositions]
  float* key_weights;      // where they are stored transposed: [kv_lora_rank, nope] in f32, or turned

  static std::int64_t floats(const MlaShape& s) {
    return std::int64_t{kMadePositions} * (s.latent_width() + s.qk_nope_head_dim + s.v_head_dim) +
           std::int64_t{kBlockPositions} * s.q_head_dim() + turned_floats(s.kv_lora_rank, s.qk_nope_head_dim);
  }

  MadeKeysAndValues(const MlaShape& s, float* scratch)
      : latents(scratch),
        keys(latents + std::int64_t{kMadePositions} * s.latent_width()),
        values(keys + std::int64_t{kMadePositions} * s.qk_nope_head_dim),
        keys_transposed(values + std::int64_t{kMadePositions} * s.v_head_dim),
        key_weights(keys_transposed + std::int64_t{kBlockPositions} * s.q_head_dim()) {}

  void make(const MlaShape& s, const HeadWeights& w, const SequenceLatents& all, int first, int n) const {
    all.decode(first, n, latents);
    multiply_rows(w.v, all.rows(kernels(w.v.dtype).activation, first, latents), nullptr, n, values, s.v_head_dim);
    if (w.k_is_transposed) {
      accumulate_rows({.w = reinterpret_cast<const std::byte*>(key_weights),
                       .w_row_bytes = std::int64_t{s.qk_nope_head_dim} * 4,
                       .x = latents,
                       .x_stride = s.latent_width(),
                       .y = keys,
                       .y_stride = s.qk_nope_head_dim,
                       .n_rows = s.kv_lora_rank,
                       .n_cols = s.qk_nope_head_dim,
                       .n_tokens = n});
    } else {
      multiply_rows(w.k, all.rows(kernels(w.k.dtype).activation, first, latents), nullptr, n, keys, s.qk_nope_head_dim);
    }
  }

  // Columns of keys_transposed: the made part, then the rotated part that all heads share.
  void transpose_block(const MlaShape& s, int at, int n) const {
    const float* rotated = latents + std::int64_t{at} * s.latent_width() + s.kv_lora_rank;
    transpose(keys + std::int64_t{at} * s.qk_nope_head_dim, s.qk_nope_head_dim, s.qk_nope_head_dim, n, keys_transposed);
    transpose(rotated, s.latent_width(), s.qk_rope_head_dim, n,
              keys_transposed + std::int64_t{s.qk_nope_head_dim} * kBlockPositions);
  }

 private:
  // to[c][t] = from[t][c], zeros from t = n on. Some columns at a time: their lines of `to`, 256 bytes apart, are few
  // enough for the sets of L1 that such lines share.
  static void transpose(const float* from, std::int64_t stride, int n_columns, int n, float* to) {
    constexpr int kColumns = 16;
    for (int first = 0; first < n_columns; first += kColumns) {
      const int end = std::min(first + kColumns, n_columns);
      for (int t = 0; t < kBlockPositions; ++t) {
        for (int c = first; c < end; ++c) to[c * kBlockPositions + t] = t < n ? from[t * stride + c] : 0.0f;
      }
    }
  }
};

// With the key part in a form that MadeKeysAndValues takes; `key_weights` is room for it.
HeadWeights usable(HeadWeights w, float* key_weights) {
  if (!w.k_is_transposed) return w;
  if (can_be_turned(w.k)) return {.k = turn(w.k, key_weights), .k_is_transposed = false, .v = w.v};
  dequantize_rows(w.k, key_weights);
  return w;
}

struct Task {
  int sequence, first_row, n_rows, head;  // rows of that sequence
};

// One head of some rows.
void attend(const MlaInputs& in, const Task& task, const SequenceLatents& latents, float* scratch) {
  const MlaShape& s = in.s;
  const SequenceRows& sequence = latents.sequence();
  const MadeKeysAndValues made(s, scratch);
  const HeadWeights w = usable(head_weights(s, in.up, task.head), made.key_weights);
  int positions[kTaskRows];
  for (int r = 0; r < task.n_rows; ++r) positions[r] = sequence.first_position + task.first_row + r;

  const std::int64_t row = sequence.first_row + task.first_row;
  AttendRows attend({task.n_rows, s.q_head_dim(), s.v_head_dim}, in.q.row(row) + task.head * s.q_head_dim(),
                    in.q.n_cols(), positions, in.out.row(row) + task.head * s.v_head_dim, in.out.n_cols(),
                    scratch + MadeKeysAndValues::floats(s));
  const int n_positions = positions[task.n_rows - 1] + 1;
  for (int first = 0; first < n_positions; first += kMadePositions) {
    const int n_made = std::min(kMadePositions, n_positions - first);
    made.make(s, w, latents, first, n_made);
    for (int at = 0; at < n_made; at += kBlockPositions) {
      const int n = std::min(kBlockPositions, n_made - at);
      made.transpose_block(s, at, n);
      attend.take({.k_transposed = made.keys_transposed,
                   .v = reinterpret_cast<const std::byte*>(made.values + std::int64_t{at} * s.v_head_dim),
                   .v_row_bytes = std::int64_t{s.v_head_dim} * 4,
                   .dtype = Dtype::kF32,
                   .first_position = first + at,
                   .n_tokens = n});
    }
  }
  attend.finish();
}

}  // namespace

void mla_expanded(Pass& pass, const MlaInputs& in, const std::vector<const SequenceRows*>& sequences) {
  const ArenaScope scope(pass.arena);
  std::vector<SequenceLatents> latents;
  std::vector<Task> tasks;
  latents.reserve(sequences.size());
  for (const SequenceRows* sequence : sequences) {
    const int index = static_cast<int>(latents.size());
    latents.emplace_back(pass, in.s, in.up, *sequence, in.layer);
    for (int row = 0; row < sequence->n_rows; row += kTaskRows) {
      for (int head = 0; head < in.s.n_heads; ++head) {
        tasks.push_back({index, row, std::min(kTaskRows, sequence->n_rows - row), head});
      }
    }
  }
  const std::int64_t floats =
      MadeKeysAndValues::floats(in.s) + AttendRows::scratch_floats(std::min(kTaskRows, pass.n_tokens()));
  const std::int64_t scratch_floats = (floats + 15) / 16 * 16;
  float* scratch = pass.arena.allocate_floats(scratch_floats * pass.pool.n_threads());
  pass.pool.run(static_cast<int>(tasks.size()), [&](int i, int thread) {
    const Task& task = tasks[static_cast<std::size_t>(i)];
    attend(in, task, latents[static_cast<std::size_t>(task.sequence)], scratch + scratch_floats * thread);
  });
}

}  // namespace r1
