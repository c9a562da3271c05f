// mla_kernels.h: the two ways to compute MLA, of which mla_attend.cpp gives every row its own. Both take q scaled and
// rotated and find the sequence's latents in the cache.
#pragma once

#include <vector>

#include "ops/attention.h"

namespace r1 {

struct MlaInputs {
  const MlaShape& s;
  const MlaUpProjection& up;
  Tensor q;    // [tokens, n_heads * (nope + rope)]
  Tensor out;  // [tokens, n_heads * v_head_dim]
  int layer;
};

// Keys and values of every head are made from the latents: for prompts, whose many rows share them.
void mla_expanded(Pass& pass, const MlaInputs& in, const std::vector<const SequenceRows*>& sequences);

// Queries are taken to the latents instead: for completions, a row of which would use the keys and values once.
void mla_absorbed(Pass& pass, const MlaInputs& in, const std::vector<const SequenceRows*>& sequences);

// With a tape: adds the gradients of q, latent (both before their rotation) and the up-projection. latent [tokens,
// kv_lora_rank + rope], q and latent as mla_attend rotated them.
void mla_backward(Pass& pass, const MlaInputs& in, Tensor latent, const RopeAngles& angles, RopePairing pairing);

// The parts of the up-projection that belong to one head.
struct HeadWeights {
  Weight k;  // untransposed: [nope, kv_lora_rank]; transposed: [kv_lora_rank, nope]
  bool k_is_transposed;
  Weight v;  // [v_head_dim, kv_lora_rank]
};

HeadWeights head_weights(const MlaShape& s, const MlaUpProjection& up, int head);

}  // namespace r1
