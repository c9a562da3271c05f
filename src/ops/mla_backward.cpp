// mla_backward.cpp: gradients of MLA, whichever kernel computed it: of keys and values that every head makes from the
// latents.
#include <algorithm>

#include "base/assert.h"
#include "kernels/float_ops.h"
#include "ops/attend_backward.h"
#include "ops/gemm.h"
#include "ops/linear.h"
#include "ops/mla_kernels.h"

namespace r1 {
namespace {

// One head's keys and their gradients, [rows, nope + rope], and what attention's gradients need.
struct HeadScratch {
  float *keys, *d_keys, *work;

  static std::int64_t floats(const MlaShape& s, int n_rows) {
    const std::int64_t n =
        std::int64_t{2} * n_rows * s.q_head_dim() + head_gradient_floats(n_rows, s.q_head_dim(), s.v_head_dim);
    return (n + 15) / 16 * 16;
  }
  HeadScratch(const MlaShape& s, int n_rows, float* scratch)
      : keys(scratch),
        d_keys(keys + std::int64_t{n_rows} * s.q_head_dim()),
        work(d_keys + std::int64_t{n_rows} * s.q_head_dim()) {}
};

// The first n columns of m as rows of their own.
Tensor columns(Pass& pass, Tensor m, int n) {
  Tensor part = pass.make_scratch({m.n_rows(), n});
  for (std::int64_t row = 0; row < m.n_rows(); ++row) std::copy_n(m.row(row), n, part.row(row));
  return part;
}

// Heads in order: they share the rotated part of the key.
void sequence_gradients(const MlaInputs& in, Tensor latent, Tensor kv, Tensor d_kv, const WholeSequence& sequence,
                        float* scratch) {
  const MlaShape& s = in.s;
  const int first = sequence.first_row, n = sequence.n_rows, width = s.q_head_dim();
  const HeadScratch mine(s, n, scratch);
  for (int head = 0; head < s.n_heads; ++head) {
    const std::int64_t at = std::int64_t{head} * (s.qk_nope_head_dim + s.v_head_dim);
    for (int r = 0; r < n; ++r) {
      float* key = mine.keys + std::int64_t{r} * width;
      std::copy_n(kv.row(first + r) + at, s.qk_nope_head_dim, key);
      std::copy_n(latent.row(first + r) + s.kv_lora_rank, s.qk_rope_head_dim, key + s.qk_nope_head_dim);
    }
    std::fill_n(mine.d_keys, std::int64_t{n} * width, 0.0f);
    const std::int64_t q_at = std::int64_t{head} * width, out_at = std::int64_t{head} * s.v_head_dim;
    const std::int64_t v_at = at + s.qk_nope_head_dim;
    add_head_gradients({.n_rows = n,
                        .k_width = width,
                        .v_width = s.v_head_dim,
                        .q = {in.q.row(first) + q_at, in.q.n_cols()},
                        .k = {mine.keys, width},
                        .v = {kv.row(first) + v_at, kv.n_cols()},
                        .out = {in.out.row(first) + out_at, in.out.n_cols()},
                        .d_out = {in.out.grad_row(first) + out_at, in.out.n_cols()},
                        .d_q = {in.q.grad_row(first) + q_at, in.q.n_cols()},
                        .d_k = {mine.d_keys, width},
                        .d_v = {d_kv.row(first) + v_at, d_kv.n_cols()}},
                       mine.work);
    for (int r = 0; r < n; ++r) {
      const float* d_key = mine.d_keys + std::int64_t{r} * width;
      std::copy_n(d_key, s.qk_nope_head_dim, d_kv.row(first + r) + at);
      float* d_rotated = latent.grad_row(first + r) + s.kv_lora_rank;
      add(d_rotated, d_key + s.qk_nope_head_dim, d_rotated, s.qk_rope_head_dim);
    }
  }
}

// Gradients with respect to what q and the shared key were before they were rotated in place, q scaled too.
void turn_gradients_back(const MlaInputs& in, Tensor latent, const RopeAngles& angles, RopePairing pairing) {
  const MlaShape& s = in.s;
  for (std::int64_t row = 0; row < latent.n_rows(); ++row) {
    const float *cos = angles.cos.row(row), *sin = angles.sin.row(row);
    scale(in.q.grad_row(row), s.scale, in.q.n_cols());
    rotate_heads_back(in.q.grad_row(row) + s.qk_nope_head_dim, s.n_heads, s.q_head_dim(), cos, sin, s.qk_rope_head_dim,
                      pairing);
    rotate_heads_back(latent.grad_row(row) + s.kv_lora_rank, 1, 0, cos, sin, s.qk_rope_head_dim, pairing);
  }
}

}  // namespace

void mla_backward(Pass& pass, const MlaInputs& in, Tensor latent, const RopeAngles& angles, RopePairing pairing) {
  const MlaShape& s = in.s;
  R1_ASSERT(in.up.wkv_b.present(), "models that are trained hold wkv_b whole");
  const ArenaScope scope(pass.arena);
  const Tensor normed = columns(pass, latent, s.kv_lora_rank);
  const std::int64_t n_kv = std::int64_t{s.n_heads} * (s.qk_nope_head_dim + s.v_head_dim);
  const Tensor kv = pass.make_scratch({pass.n_tokens(), n_kv});
  const Tensor d_kv = pass.make_scratch(kv.shape);
  std::fill_n(d_kv.data, d_kv.shape.n_values(), 0.0f);
  multiply_by_weight(pass.pool, pass.arena, normed, f32_values(pass, in.up.wkv_b), kv);

  const std::vector<WholeSequence> sequences = whole_sequences(pass.batch);
  const std::int64_t n_floats = HeadScratch::floats(s, pass.n_tokens());
  float* scratch = pass.arena.allocate_floats(n_floats * pass.pool.n_threads());
  pass.pool.run(static_cast<int>(sequences.size()), [&](int task, int thread) {
    sequence_gradients(in, latent, kv, d_kv, sequences[static_cast<std::size_t>(task)], scratch + n_floats * thread);
  });
  turn_gradients_back(in, latent, angles, pairing);

  const Tensor d_normed = pass.make_scratch(normed.shape);
  std::fill_n(d_normed.data, d_normed.shape.n_values(), 0.0f);
  add_product_gradients(pass, normed, in.up.wkv_b, d_kv, d_normed);
  for (std::int64_t row = 0; row < latent.n_rows(); ++row) {
    add(latent.grad_row(row), d_normed.row(row), latent.grad_row(row), s.kv_lora_rank);
  }
}

}  // namespace r1
