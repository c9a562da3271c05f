// mla_absorbed.cpp: q_nope is taken to the latents (W_uk^T q), every head attends to the same rows [latent | rotated
// key], and the weighted latents are taken to values (W_uv z).
//
// A row's positions are cut into parts that different threads attend to, 16 heads together, so that a latent is decoded
// once for 16 queries and read by one thread. The parts' softmaxes are put together in order (Dao et al. 2023,
// "Flash-Decoding"). Where a row is cut depends on its position alone: so its result doesn't depend on the threads.
#include <algorithm>
#include <optional>
#include <vector>

#include "kernels/float_ops.h"
#include "kernels/kernels.h"
#include "ops/attend_rows.h"
#include "ops/linear.h"
#include "ops/mla_kernels.h"

namespace r1 {
namespace {

constexpr int kTaskHeads = 16;
constexpr int kMostParts = 16, kLeastPositions = 128;  // of a row; of a part
constexpr std::int64_t kMostFloats = std::int64_t{16} << 20;

// y [n_out] = x [n_in] times W, whose stored rows run along n_out (over_rows) or along n_in. `work`: see work_floats().
void multiply(const Weight& w, bool over_rows, const float* x, float* y, float* work) {
  if (over_rows) {
    dequantize_rows(w, work);
    accumulate_rows({.w = reinterpret_cast<const std::byte*>(work),
                     .w_row_bytes = w.n_cols() * 4,
                     .x = x,
                     .y = y,
                     .n_rows = static_cast<int>(w.n_rows()),
                     .n_cols = static_cast<int>(w.n_cols()),
                     .n_tokens = 1});
    return;
  }
  const ActivationFormat format = kernels(w.dtype).activation;
  Activations::Rows row{reinterpret_cast<const std::byte*>(x), w.n_cols() * 4};
  if (format != ActivationFormat::kF32) {
    quantize_activation(format, x, reinterpret_cast<std::byte*>(work), w.n_cols());
    row = {reinterpret_cast<const std::byte*>(work), activation_row_bytes(format, w.n_cols())};
  }
  multiply_rows(w, row, nullptr, 1, y, w.n_rows());
}

// A dequantised [nope, kv_lora_rank], or a row in any activation format (at most 5 bytes a value, blocks of 256).
std::int64_t work_floats(const MlaShape& s) {
  const std::int64_t widest = std::max({s.kv_lora_rank, s.qk_nope_head_dim, s.v_head_dim});
  const std::int64_t floats =
      std::max<std::int64_t>(std::int64_t{s.qk_nope_head_dim} * s.kv_lora_rank, 2 * (widest + 256));
  return (floats + 15) / 16 * 16;
}

// One row of the batch, and what is known of its heads between the three steps.
struct Row {
  const SequenceRows* sequence;
  std::int64_t row;  // of the batch
  int position;
  int part_positions, n_parts;
  float* queries;  // [n_heads, latent_width]
  float* sums;     // [n_parts, n_heads, kv_lora_rank]: weighted latents, not yet divided
  float* maxima;   // [n_parts, n_heads] of the scores
  float* weights;  // [n_parts, n_heads]: what to divide by

  Row(Pass& pass, const MlaShape& s, const SequenceRows& rows, int r)
      : sequence(&rows), row(rows.first_row + r), position(rows.first_position + r) {
    const int n_blocks = position / kBlockPositions + 1;
    part_positions = std::max(kLeastPositions, (n_blocks + kMostParts - 1) / kMostParts * kBlockPositions);
    n_parts = position / part_positions + 1;
    const std::int64_t n = std::int64_t{n_parts} * s.n_heads;
    queries = pass.arena.allocate_floats(std::int64_t{s.n_heads} * s.latent_width());
    sums = pass.arena.allocate_floats(n * s.kv_lora_rank);
    maxima = pass.arena.allocate_floats(n);
    weights = pass.arena.allocate_floats(n);
  }
  std::int64_t n_floats(const MlaShape& s) const {
    return std::int64_t{s.n_heads} * (s.latent_width() + std::int64_t{n_parts} * (s.kv_lora_rank + 2));
  }
};

void make_query(const MlaInputs& in, const Row& row, int head, float* work) {
  const MlaShape& s = in.s;
  const HeadWeights w = head_weights(s, in.up, head);
  const float* q = in.q.row(row.row) + head * s.q_head_dim();
  float* query = row.queries + std::int64_t{head} * s.latent_width();
  multiply(w.k, !w.k_is_transposed, q, query, work);
  std::copy_n(q + s.qk_nope_head_dim, s.qk_rope_head_dim, query + s.kv_lora_rank);
}

// Some heads of one part of a row's positions.
void attend_part(const Pass& pass, const MlaInputs& in, const Row& row, int part, int first_head, float* scratch) {
  const MlaShape& s = in.s;
  const int n_heads = std::min(kTaskHeads, s.n_heads - first_head);
  const std::int64_t at = std::int64_t{part} * s.n_heads + first_head;
  int positions[kTaskHeads];
  std::fill_n(positions, n_heads, row.position);
  AttendRows attend({n_heads, s.latent_width(), s.kv_lora_rank},
                    row.queries + std::int64_t{first_head} * s.latent_width(), s.latent_width(), positions,
                    row.sums + at * s.kv_lora_rank, s.kv_lora_rank, scratch);
  float* decoded = scratch + AttendRows::scratch_floats(kTaskHeads);
  const int begin = part * row.part_positions, end = std::min(begin + row.part_positions, row.position + 1);
  const auto block_at = [&](int position) {
    return pass.kv.k_block(in.layer, row.sequence->blocks[static_cast<std::size_t>(position / kBlockPositions)]);
  };
  for (int first = begin; first < end; first += kBlockPositions) {
    const std::byte *block = block_at(first),
                    *next = first + kBlockPositions < end ? block_at(first + kBlockPositions) : nullptr;
    const KvSlice slice{.k = block,
                        .k_row_bytes = pass.kv.k_row_bytes(),
                        .v = block,
                        .v_row_bytes = pass.kv.k_row_bytes(),
                        .next_k = next,
                        .dtype = pass.kv.layout().dtype,
                        .first_position = first,
                        .n_tokens = std::min(kBlockPositions, end - first)};
    attend.take(decode_slice(slice, s.latent_width(), s.kv_lora_rank, decoded));
  }
  std::copy_n(attend.maxima(), n_heads, row.maxima + at);
  std::copy_n(attend.weights(), n_heads, row.weights + at);
}

// The parts of one head put together in order, then taken to values.
void join_parts(const MlaInputs& in, const Row& row, int head, float* work) {
  const MlaShape& s = in.s;
  const auto at = [&](int part) { return std::int64_t{part} * s.n_heads + head; };
  float maximum = row.maxima[at(0)];
  for (int part = 1; part < row.n_parts; ++part) maximum = std::max(maximum, row.maxima[at(part)]);
  float weight = 0;
  float* sum = row.sums + at(0) * s.kv_lora_rank;
  for (int part = 0; part < row.n_parts; ++part) {
    float factor = row.maxima[at(part)];
    exp_and_sum(&factor, maximum, 1);
    weight += factor * row.weights[at(part)];
    if (part == 0) {
      scale(sum, factor, s.kv_lora_rank);
    } else {
      add_scaled(row.sums + at(part) * s.kv_lora_rank, factor, sum, s.kv_lora_rank);
    }
  }
  scale(sum, 1.0f / weight, s.kv_lora_rank);
  multiply(head_weights(s, in.up, head).v, false, sum, in.out.row(row.row) + head * s.v_head_dim, work);
}

// All heads of some rows: three steps, with the threads meeting between them.
void attend_rows(Pass& pass, const MlaInputs& in, const std::vector<Row>& rows) {
  const MlaShape& s = in.s;
  struct Part {
    const Row* row;
    int part, first_head;
  };
  std::vector<Part> parts;
  for (const Row& row : rows) {
    for (int part = 0; part < row.n_parts; ++part) {
      for (int head = 0; head < s.n_heads; head += kTaskHeads) parts.push_back({&row, part, head});
    }
  }
  const std::int64_t scratch_floats =
      std::max(work_floats(s),
               AttendRows::scratch_floats(kTaskHeads) + decoded_floats(pass.kv.layout().dtype, s.latent_width(), 0));
  float* scratch = pass.arena.allocate_floats(scratch_floats * pass.pool.n_threads());
  const auto for_each_head = [&](void (*body)(const MlaInputs&, const Row&, int head, float* work)) {
    const auto n = static_cast<std::int64_t>(rows.size()) * s.n_heads;
    pass.parallel_pieces(n, 2, [&](std::int64_t first, std::int64_t last, int thread) {
      for (std::int64_t i = first; i < last; ++i) {
        const Row& row = rows[static_cast<std::size_t>(i / s.n_heads)];
        body(in, row, static_cast<int>(i % s.n_heads), scratch + scratch_floats * thread);
      }
    });
  };
  for_each_head(make_query);
  pass.pool.run(static_cast<int>(parts.size()), [&](int i, int thread) {
    const Part& part = parts[static_cast<std::size_t>(i)];
    attend_part(pass, in, *part.row, part.part, part.first_head, scratch + scratch_floats * thread);
  });
  for_each_head(join_parts);
}

}  // namespace

void mla_absorbed(Pass& pass, const MlaInputs& in, const std::vector<const SequenceRows*>& sequences) {
  // A sequence that is computed again brings many rows at once: as many at a time as need kMostFloats.
  std::vector<Row> rows;
  auto scope = std::make_optional<ArenaScope>(pass.arena);
  std::int64_t n_floats = 0;
  const auto attend_all = [&] {
    attend_rows(pass, in, rows);
    rows.clear();
    n_floats = 0;
    scope.emplace(pass.arena);
  };
  for (const SequenceRows* sequence : sequences) {
    for (int r = 0; r < sequence->n_rows; ++r) {
      n_floats += rows.emplace_back(pass, in.s, *sequence, r).n_floats(in.s);
      if (n_floats > kMostFloats) attend_all();
    }
  }
  if (!rows.empty()) attend_all();
}

}  // namespace r1
