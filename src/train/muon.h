// muon.h: Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"): a matrix moves by its
// momentum made orthogonal, so that no direction outweighs the others.
//
// The size of a move is that of Liu et al. 2025 ("Muon is scalable for LLM training"): 0.2 * sqrt(longer side), by
// which a number moves about as far as AdamW would move it. So one learning rate and one weight decay serve both.
#pragma once

#include "base/thread_pool.h"
#include "ops/arena.h"
#include "ops/tensor.h"
#include "train/trained_model.h"

namespace r1 {

// Layers' matrices, of experts each for itself. Not what looks tokens up or gives logits: embedding, head, routers.
bool is_for_muon(const ParameterTensor& parameter);

// Five steps of Newton-Schulz: x [rows, cols] to about U V^T of its singular value decomposition: singular values
// between about 0.7 and 1.2, but for those that were next to nothing. All 0 stays 0. Scratch is given back.
void orthogonalize(ThreadPool& pool, Arena& arena, Tensor x);

struct MuonUpdate {
  float momentum = 0.95f;
  float gradient_scale = 1;
  float learning_rate = 0;
  float decay = 0;  // learning rate * weight decay
};
// One matrix [rows, cols]: gradient, value and momentum m.
void update_muon(ThreadPool& pool, Arena& arena, const MuonUpdate& u, const Shape& shape, const float* gradient,
                 float* value, float* m);

}  // namespace r1
