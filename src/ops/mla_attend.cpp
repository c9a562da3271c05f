// mla_attend.cpp: one op, two kernels.
//
// Absorbed: q_nope is taken to the latents once (W_uk^T q), then every head attends to the same rows [latent | rotated
// key], and the weighted latents are taken to values (W_uv z). Expanded: a head makes its own keys and values from the
// latents, block by block, and many rows of the sequence use them. A task is some heads of some rows.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "kernels/float_ops.h"
#include "kernels/kernels.h"
#include "ops/attend_rows.h"
#include "ops/attention.h"
#include "ops/linear.h"
#include "ops/profile.h"

namespace r1 {
namespace {

constexpr int kBlock = KvCache::kBlockTokens;
constexpr int kHeadsPerTask =
    8;  // absorbed: heads that read a block of latents together while it is in the first-level cache
constexpr int kExpandedRows = 512;   // expanded: rows that use keys and values once they are made
constexpr int kMadePositions = 128;  // expanded: positions whose keys and values are made at a time

struct HeadWeights {
  Weight k;  // untransposed: [nope, kv_lora_rank]; transposed: [kv_lora_rank, nope]
  bool k_is_transposed;
  Weight v;  // [v_head_dim, kv_lora_rank]
};

HeadWeights head_weights(const MlaShape& s, const MlaUpProjection& up, int head) {
  if (up.wkv_b.present()) {
    const std::int64_t first = std::int64_t{head} * (s.qk_nope_head_dim + s.v_head_dim);
    return {up.wkv_b.rows(first, s.qk_nope_head_dim), false, up.wkv_b.rows(first + s.qk_nope_head_dim, s.v_head_dim)};
  }
  return {up.wk_b.rows(std::int64_t{head} * s.kv_lora_rank, s.kv_lora_rank), true,
          up.wv_b.rows(std::int64_t{head} * s.v_head_dim, s.v_head_dim)};
}

// Values of a weight's rows in f32, block scales applied: the form in which a product can run over rows as well as over
// columns.
void dequantize_rows(const Weight& w, float* out) {
  kernels(w.dtype).dequantize(w.data, out, w.shape.n_values());
  if (w.dtype != Dtype::kF8E4M3) return;
  const std::int64_t blocks_per_row = (w.n_cols() + 127) / 128;
  for (std::int64_t row = 0; row < w.n_rows(); ++row) {
    const float* scales = w.block_scales + (w.first_row + row) / 128 * blocks_per_row;
    for (std::int64_t col = 0; col < w.n_cols(); ++col) out[row * w.n_cols() + col] *= scales[col / 128];
  }
}

// y [n_tokens, n_out] = x [n_tokens, n_in] times W, where stored rows of w run along n_out (direct) or along n_in
// (transposed use). `work` holds the dequantised weight or the quantised x: see work_floats().
void multiply(const Weight& w, bool over_rows, const float* x, std::int64_t x_stride, int n_tokens, float* y,
              std::int64_t y_stride, float* work) {
  if (over_rows) {
    dequantize_rows(w, work);
    accumulate_rows({.w = reinterpret_cast<const std::byte*>(work),
                     .w_row_bytes = w.n_cols() * 4,
                     .x = x,
                     .x_stride = x_stride,
                     .y = y,
                     .y_stride = y_stride,
                     .n_rows = static_cast<int>(w.n_rows()),
                     .n_cols = static_cast<int>(w.n_cols()),
                     .n_tokens = n_tokens});
    return;
  }
  const ActivationFormat format = kernels(w.dtype).activation;
  Activations::Rows rows{reinterpret_cast<const std::byte*>(x), x_stride * 4};
  if (format != ActivationFormat::kF32) {
    rows = {reinterpret_cast<const std::byte*>(work), activation_row_bytes(format, w.n_cols())};
    for (int token = 0; token < n_tokens; ++token) {
      quantize_activation(format, x + token * x_stride, reinterpret_cast<std::byte*>(work) + token * rows.row_bytes,
                          w.n_cols());
    }
  }
  multiply_rows(w, rows, nullptr, n_tokens, y, y_stride);
}

// Absorbed: a dequantised [nope, kv_lora_rank], or a row in any activation format (at most 5 bytes a value, blocks of
// 256).
std::int64_t work_floats(const MlaShape& s) {
  const std::int64_t widest = std::max({s.kv_lora_rank, s.qk_nope_head_dim, s.v_head_dim});
  return std::max<std::int64_t>(std::int64_t{s.qk_nope_head_dim} * s.kv_lora_rank, 2 * (widest + 256));
}

void rotate_and_store(Pass& pass, const MlaShape& s, Tensor q, Tensor latent, const RopeAngles& angles,
                      RopePairing pairing, int layer) {
  for (const SequenceRows& sequence : pass.batch.sequences) {
    pass.parallel_pieces(sequence.n_rows, 8, [&](std::int64_t first, std::int64_t last, int) {
      for (std::int64_t r = first; r < last; ++r) {
        const std::int64_t row = sequence.first_row + r;
        const float *cos = angles.cos.row(row), *sin = angles.sin.row(row);
        rotate_heads(q.row(row) + s.qk_nope_head_dim, s.n_heads, s.q_head_dim(), cos, sin, s.qk_rope_head_dim, pairing);
        rotate_heads(latent.row(row) + s.kv_lora_rank, 1, 0, cos, sin, s.qk_rope_head_dim, pairing);
        scale(q.row(row), s.scale, q.n_cols());
        pass.kv.write_k(layer, sequence.blocks, sequence.first_position + static_cast<int>(r), latent.row(row));
      }
    });
  }
}

// Absorbed: heads [first_head, last_head) of one row.
void attend_absorbed(const Pass& pass, const MlaShape& s, const MlaUpProjection& up, const SequenceRows& sequence,
                     int r, int first_head, int last_head, Tensor q, Tensor out, int layer, float* scratch) {
  const int n_heads = last_head - first_head;
  const std::int64_t row = sequence.first_row + r;
  float* queries = scratch;                                          // [n_heads, latent_width]
  float* sums = queries + std::int64_t{n_heads} * s.latent_width();  // [n_heads, kv_lora_rank]
  float* attend_scratch = sums + std::int64_t{n_heads} * s.kv_lora_rank;
  float* work = attend_scratch + AttendRows::scratch_floats(n_heads);
  int positions[kHeadsPerTask];
  for (int h = 0; h < n_heads; ++h) {
    const HeadWeights w = head_weights(s, up, first_head + h);
    const float* q_head = q.row(row) + (first_head + h) * s.q_head_dim();
    float* query = queries + std::int64_t{h} * s.latent_width();
    multiply(w.k, !w.k_is_transposed, q_head, 0, 1, query, 0, work);
    std::copy_n(q_head + s.qk_nope_head_dim, s.qk_rope_head_dim, query + s.kv_lora_rank);
    positions[h] = sequence.first_position + r;
  }

  AttendRows attend({n_heads, s.latent_width(), s.kv_lora_rank}, queries, s.latent_width(), positions, sums,
                    s.kv_lora_rank, attend_scratch);
  const int n_positions = sequence.first_position + r + 1;
  for (int first = 0; first < n_positions; first += kBlock) {
    const std::byte* block = pass.kv.k_block(layer, sequence.blocks[static_cast<std::size_t>(first / kBlock)]);
    attend.take({.k = block,
                 .k_row_bytes = pass.kv.k_row_bytes(),
                 .v = block,
                 .v_row_bytes = pass.kv.k_row_bytes(),
                 .dtype = pass.kv.layout().dtype,
                 .first_position = first,
                 .n_tokens = std::min(kBlock, n_positions - first)});
  }
  attend.finish();

  for (int h = 0; h < n_heads; ++h) {
    const HeadWeights w = head_weights(s, up, first_head + h);
    multiply(w.v, false, sums + std::int64_t{h} * s.kv_lora_rank, 0, 1, out.row(row) + (first_head + h) * s.v_head_dim,
             0, work);
  }
}

// Latents of a sequence in the formats that the up-projections multiply, made once for all heads.
class SequenceLatents {
 public:
  SequenceLatents(Pass& pass, const MlaShape& s, const MlaUpProjection& up, const SequenceRows& sequence, int layer)
      : pass_(pass), s_(s), sequence_(sequence), layer_(layer) {
    const HeadWeights w = head_weights(s, up, 0);
    need(kernels(w.v.dtype).activation);
    if (!w.k_is_transposed) need(kernels(w.k.dtype).activation);
  }

  // Positions [first, first + n) of the sequence, n at most kMadePositions and within blocks that begin at `first`, in
  // f32.
  void decode(int first, int n, float* latents) const {
    for (int at = 0; at < n; at += kBlock) {
      const KvBlockId block = sequence_.blocks[static_cast<std::size_t>((first + at) / kBlock)];
      kernels(pass_.kv.layout().dtype)
          .dequantize(pass_.kv.k_block(layer_, block), latents + std::int64_t{at} * s_.latent_width(),
                      std::int64_t{std::min(kBlock, n - at)} * s_.latent_width());
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

 private:
  void need(ActivationFormat format) {
    std::byte*& quantized = quantized_[static_cast<std::size_t>(format)];
    if (format == ActivationFormat::kF32 || quantized != nullptr) return;
    const int n_positions = sequence_.first_position + sequence_.n_rows;
    const std::int64_t row_bytes = activation_row_bytes(format, s_.kv_lora_rank);
    const std::int64_t block_floats = std::int64_t{kBlock} * s_.latent_width();
    quantized = pass_.arena.allocate(row_bytes * n_positions);
    const ArenaScope scope(pass_.arena);
    float* scratch = pass_.arena.allocate_floats(block_floats * pass_.pool.n_threads());
    pass_.parallel_pieces(n_positions, kBlock, [&](std::int64_t first, std::int64_t last, int thread) {
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
  float* keys_transposed;  // [nope + rope, kBlock]
  float* key_weights;      // [kv_lora_rank, nope], where they are stored transposed

  static std::int64_t floats(const MlaShape& s) {
    return std::int64_t{kMadePositions} * (s.latent_width() + s.qk_nope_head_dim + s.v_head_dim) +
           std::int64_t{kBlock} * s.q_head_dim() + std::int64_t{s.kv_lora_rank} * s.qk_nope_head_dim;
  }

  MadeKeysAndValues(const MlaShape& s, float* scratch)
      : latents(scratch),
        keys(latents + std::int64_t{kMadePositions} * s.latent_width()),
        values(keys + std::int64_t{kMadePositions} * s.qk_nope_head_dim),
        keys_transposed(values + std::int64_t{kMadePositions} * s.v_head_dim),
        key_weights(keys_transposed + std::int64_t{kBlock} * s.q_head_dim()) {}

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
    for (int t = 0; t < kBlock; ++t) {
      const float* made = keys + std::int64_t{at + t} * s.qk_nope_head_dim;
      const float* rotated = latents + std::int64_t{at + t} * s.latent_width() + s.kv_lora_rank;
      float* column = keys_transposed + t;
      for (int c = 0; c < s.qk_nope_head_dim; ++c) column[c * kBlock] = t < n ? made[c] : 0.0f;
      column += s.qk_nope_head_dim * kBlock;
      for (int c = 0; c < s.qk_rope_head_dim; ++c) column[c * kBlock] = t < n ? rotated[c] : 0.0f;
    }
  }
};

// Expanded: rows [first_row, first_row + n_rows) of a sequence, one head.
void attend_expanded(const MlaShape& s, const MlaUpProjection& up, const SequenceRows& sequence,
                     const SequenceLatents& latents, int first_row, int n_rows, int head, Tensor q, Tensor out,
                     float* scratch) {
  const HeadWeights w = head_weights(s, up, head);
  const MadeKeysAndValues made(s, scratch);
  if (w.k_is_transposed) dequantize_rows(w.k, made.key_weights);
  int positions[kExpandedRows];
  for (int r = 0; r < n_rows; ++r) positions[r] = sequence.first_position + first_row + r;

  const std::int64_t row = sequence.first_row + first_row;
  AttendRows attend({n_rows, s.q_head_dim(), s.v_head_dim}, q.row(row) + head * s.q_head_dim(), q.n_cols(), positions,
                    out.row(row) + head * s.v_head_dim, out.n_cols(), scratch + MadeKeysAndValues::floats(s));
  const int n_positions = positions[n_rows - 1] + 1;
  for (int first = 0; first < n_positions; first += kMadePositions) {
    const int n_made = std::min(kMadePositions, n_positions - first);
    made.make(s, w, latents, first, n_made);
    for (int at = 0; at < n_made; at += kBlock) {
      const int n = std::min(kBlock, n_made - at);
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

struct MlaTask {
  const SequenceRows* sequence;
  int first_row, n_rows;      // of the sequence; absorbed: one
  int first_head, last_head;  // expanded: one
  int latents;                // expanded: which sequence's, counting expanded ones only
};

std::vector<MlaTask> cut_into_tasks(const Batch& batch, const MlaShape& s) {
  std::vector<MlaTask> tasks;
  int n_expanded = 0;
  for (const SequenceRows& sequence : batch.sequences) {
    const bool expanded = sequence.mla_kernel == MlaKernel::kExpanded;
    const int rows = expanded ? kExpandedRows : 1, heads = expanded ? 1 : kHeadsPerTask;
    for (int row = 0; row < sequence.n_rows; row += rows) {
      for (int head = 0; head < s.n_heads; head += heads) {
        tasks.push_back({&sequence, row, std::min(rows, sequence.n_rows - row), head, std::min(head + heads, s.n_heads),
                         n_expanded});
      }
    }
    n_expanded += expanded ? 1 : 0;
  }
  return tasks;
}

}  // namespace

Tensor mla_attend(Pass& pass, const MlaShape& s, const MlaUpProjection& up, Tensor q, Tensor latent,
                  const RopeAngles& angles, RopePairing pairing, int layer) {
  OpTimer timer(pass, "mla_attend");
  if (timer.is_on()) count_attention(timer, pass, s.n_heads, s.q_head_dim() + s.v_head_dim);
  R1_SHAPE(q, {pass.n_tokens(), s.n_heads * s.q_head_dim()});
  R1_SHAPE(latent, {pass.n_tokens(), s.latent_width()});
  rotate_and_store(pass, s, q, latent, angles, pairing, layer);

  Tensor out = pass.make({pass.n_tokens(), s.n_heads * s.v_head_dim});
  const ArenaScope scope(pass.arena);
  const std::vector<MlaTask> tasks = cut_into_tasks(pass.batch, s);
  std::vector<SequenceLatents> latents;  // of each sequence, where they are needed
  latents.reserve(pass.batch.sequences.size());
  for (const SequenceRows& sequence : pass.batch.sequences) {
    if (sequence.mla_kernel == MlaKernel::kExpanded) latents.emplace_back(pass, s, up, sequence, layer);
  }
  const std::int64_t absorbed_floats = std::int64_t{kHeadsPerTask} * (s.latent_width() + s.kv_lora_rank) +
                                       AttendRows::scratch_floats(kHeadsPerTask) + work_floats(s);
  const std::int64_t expanded_floats =
      MadeKeysAndValues::floats(s) + AttendRows::scratch_floats(std::min(kExpandedRows, pass.n_tokens()));
  const std::int64_t scratch_floats = (std::max(absorbed_floats, expanded_floats) + 15) / 16 * 16;
  float* scratch = pass.arena.allocate_floats(scratch_floats * pass.pool.n_threads());
  pass.pool.run(static_cast<int>(tasks.size()), [&](int i, int thread) {
    const MlaTask& task = tasks[static_cast<std::size_t>(i)];
    float* mine = scratch + scratch_floats * thread;
    if (task.sequence->mla_kernel == MlaKernel::kExpanded) {
      attend_expanded(s, up, *task.sequence, latents[static_cast<std::size_t>(task.latents)], task.first_row,
                      task.n_rows, task.first_head, q, out, mine);
    } else {
      attend_absorbed(pass, s, up, *task.sequence, task.first_row, task.first_head, task.last_head, q, out, layer,
                      mine);
    }
  });
  return out;
}

}  // namespace r1
