// moe_experts.h: the routed experts of a layer: y = sum over a token's experts of weight * W_down(silu(W_gate x) *
// (W_up x)).
#pragma once

#include <span>

#include "ops/linear.h"
#include "ops/route.h"

namespace r1 {

struct ExpertWeights {
  Weight gate, up;  // [moe_inter_dim, dim]
  Weight down;      // [dim, moe_inter_dim]
};

// x [tokens, dim] -> [tokens, dim]. All tokens of one expert are one product. A token's experts are summed in order of
// their ids, so a row does not depend on the rows beside it.
Tensor moe_experts(Pass& pass, Activations& x, std::span<const ExpertWeights> experts, const Routing& routing);

}  // namespace r1
