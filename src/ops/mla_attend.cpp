// mla_attend.cpp: one op, two kernels, of which each row's place in its sequence chooses one.
#include <vector>

#include "kernels/float_ops.h"
#include "kernels/kernels.h"
#include "ops/mla_kernels.h"
#include "ops/profile.h"
#include "ops/tape.h"

namespace r1 {
namespace {

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

}  // namespace

HeadWeights head_weights(const MlaShape& s, const MlaUpProjection& up, int head) {
  if (up.wkv_b.present()) {
    const std::int64_t first = std::int64_t{head} * (s.qk_nope_head_dim + s.v_head_dim);
    return {up.wkv_b.rows(first, s.qk_nope_head_dim), false, up.wkv_b.rows(first + s.qk_nope_head_dim, s.v_head_dim)};
  }
  return {up.wk_b.rows(std::int64_t{head} * s.kv_lora_rank, s.kv_lora_rank), true,
          up.wv_b.rows(std::int64_t{head} * s.v_head_dim, s.v_head_dim)};
}

Tensor mla_attend(Pass& pass, const MlaShape& s, const MlaUpProjection& up, Tensor q, Tensor latent,
                  const RopeAngles& angles, RopePairing pairing, int layer) {
  OpTimer timer(pass, "mla_attend");
  if (timer.is_on()) count_attention(timer, pass, s.n_heads, s.q_head_dim() + s.v_head_dim);
  R1_SHAPE(q, {pass.n_tokens(), s.n_heads * s.q_head_dim()});
  R1_SHAPE(latent, {pass.n_tokens(), s.latent_width()});
  rotate_and_store(pass, s, q, latent, angles, pairing, layer);

  Tensor out = pass.make({pass.n_tokens(), s.n_heads * s.v_head_dim});
  std::vector<const SequenceRows*> expanded, absorbed;
  for (const SequenceRows& sequence : pass.batch.sequences) {
    (sequence.mla_kernel == MlaKernel::kExpanded ? expanded : absorbed).push_back(&sequence);
  }
  const MlaInputs inputs{s, up, q, out, layer};
  if (!expanded.empty()) mla_expanded(pass, inputs, expanded);
  if (!absorbed.empty()) mla_absorbed(pass, inputs, absorbed);
  if (pass.tape != nullptr) {
    R1_ASSERT(pass.kv.layout().dtype == Dtype::kF32, "gradients are of attention to unrounded latents");
    pass.tape->record([s, up, q, out, layer, latent, angles, pairing](Pass& p) {
      mla_backward(p, {s, up, q, out, layer}, latent, angles, pairing);
    });
  }
  return out;
}

}  // namespace r1
