// attention.h: the attention ops. Each writes the batch's keys and values into the cache, then lets every row look at
// its own sequence up to its own position.
#pragma once

#include "ops/pass.h"
#include "ops/rope.h"
#include "ops/tensor.h"

namespace r1 {

struct GqaShape {
  int n_heads = 0, n_kv_heads = 0, head_dim = 0;
  float scale = 0;  // on q . k
};

// Grouped-query attention (Ainslie et al. 2023). q [tokens, n_heads * head_dim], k and v [tokens, n_kv_heads *
// head_dim], before rotation; q and k are rotated in place. Returns [tokens, n_heads * head_dim].
Tensor gqa_attend(Pass& pass, const GqaShape& shape, Tensor q, Tensor k, Tensor v, const RopeAngles& angles,
                  RopePairing pairing, int layer);

struct MlaShape {
  int n_heads = 0, kv_lora_rank = 0, qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
  float scale = 0;

  int latent_width() const { return kv_lora_rank + qk_rope_head_dim; }
  int q_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
};

// What turns latents into keys and values. Files hold it in one of two ways, and both are used as they are:
// wkv_b: [n_heads * (nope + v), kv_lora_rank]; or wk_b: [n_heads * kv_lora_rank, nope] (each head's key part
// transposed) with wv_b: [n_heads * v, kv_lora_rank].
struct MlaUpProjection {
  Weight wkv_b;
  Weight wk_b, wv_b;
};

// Multi-head latent attention (DeepSeek-V2 and V3 reports, 2.1.1). q [tokens, n_heads * (nope + rope)], latent [tokens,
// kv_lora_rank + rope]: its first part already normed, its second not yet rotated; both are rotated in place. Returns
// [tokens, n_heads * v_head_dim].
Tensor mla_attend(Pass& pass, const MlaShape& shape, const MlaUpProjection& up, Tensor q, Tensor latent,
                  const RopeAngles& angles, RopePairing pairing, int layer);

}  // namespace r1
