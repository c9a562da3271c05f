// route.h: DeepSeekMoE's gate: which experts a token goes to, and with what weights.
// Source: DeepSeek-V3 report eqs 12-16, inference/model.py Gate; V2's softmax gate as in its modeling code.
#pragma once

#include <cstdint>

#include "ops/pass.h"

namespace r1 {

struct RouteConfig {
  enum class Scoring : std::uint8_t { kSigmoid, kSoftmax };
  enum class GroupScore : std::uint8_t { kSumOfTopTwo, kMaximum };  // V3 (with a bias); V2's group_limited_greedy
  Scoring scoring = Scoring::kSigmoid;
  GroupScore group_score = GroupScore::kSumOfTopTwo;
  int n_routed_experts = 0, n_activated_experts = 0;
  int n_expert_groups = 1, n_limited_groups = 1;
  bool normalize = true;  // chosen weights sum to one before route_scale
  float route_scale = 1.0f;
};

struct Routing {
  int n_activated = 0;
  std::int32_t* expert_ids = nullptr;  // [tokens, n_activated], ascending within a token: sums run in this order
  float* weights = nullptr;            // [tokens, n_activated]
  float* d_weights = nullptr;          // their gradients; null outside training
};

// scores: [tokens, n_routed_experts] products with the router's rows, overwritten. bias: [n_routed_experts] or null; it
// picks experts but does not weigh them, because it exists only to balance load.
Routing route(Pass& pass, const RouteConfig& config, Tensor scores, const float* bias);

}  // namespace r1
