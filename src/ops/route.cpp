// route.cpp: scores, groups, the best experts of the best groups; equal scores go to the lower id.
#include "ops/route.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/float_ops.h"
#include "ops/attend_backward.h"
#include "ops/profile.h"
#include "ops/tape.h"

namespace r1 {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

void score_row(const RouteConfig& c, float* scores) {
  if (c.scoring == RouteConfig::Scoring::kSigmoid) {
    sigmoid(scores, c.n_routed_experts);
    return;
  }
  const float sum = exp_and_sum(scores, max_value(scores, c.n_routed_experts), c.n_routed_experts);
  for (int e = 0; e < c.n_routed_experts; ++e) scores[e] /= sum;
}

// What choosing needs beside its result: made once for a task, filled anew for each of its rows.
struct RouteScratch {
  std::vector<float> choice;        // [n_routed_experts] scores with bias
  std::vector<float> group_scores;  // [n_expert_groups]
  std::vector<int> order;           // indices of experts or groups
};

// The k largest values' indices, largest first; equal values: the lower index first.
void top_k(const float* values, int n, int k, std::vector<int>& order) {
  order.resize(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + k, order.end(),
                    [&](int a, int b) { return values[a] > values[b] || (values[a] == values[b] && a < b); });
  order.resize(static_cast<std::size_t>(k));
}

float group_score(RouteConfig::GroupScore kind, const float* choice, int n) {
  float first = kNever, second = kNever;
  for (int e = 0; e < n; ++e) {
    if (choice[e] > first)
      second = std::exchange(first, choice[e]);
    else
      second = std::max(second, choice[e]);
  }
  return kind == RouteConfig::GroupScore::kSumOfTopTwo ? first + second : first;
}

// Experts outside the n_limited_groups best groups are taken out of the choice.
void limit_groups(const RouteConfig& c, RouteScratch& scratch) {
  auto& [choice, scores, order] = scratch;
  const int group_size = c.n_routed_experts / c.n_expert_groups;
  scores.resize(static_cast<std::size_t>(c.n_expert_groups));
  for (int g = 0; g < c.n_expert_groups; ++g) {
    scores[static_cast<std::size_t>(g)] = group_score(c.group_score, choice.data() + g * group_size, group_size);
  }
  top_k(scores.data(), c.n_expert_groups, c.n_limited_groups, order);
  for (int g = 0; g < c.n_expert_groups; ++g) {
    if (std::find(order.begin(), order.end(), g) != order.end()) continue;
    std::fill_n(choice.begin() + g * group_size, group_size, kNever);
  }
}

void route_row(const RouteConfig& c, float* scores, const float* bias, RouteScratch& scratch, std::int32_t* expert_ids,
               float* weights) {
  score_row(c, scores);
  std::vector<float>& choice = scratch.choice;
  std::vector<int>& order = scratch.order;
  choice.assign(scores, scores + c.n_routed_experts);
  if (bias != nullptr) add(choice.data(), bias, choice.data(), c.n_routed_experts);
  if (c.n_limited_groups < c.n_expert_groups) limit_groups(c, scratch);
  top_k(choice.data(), c.n_routed_experts, c.n_activated_experts, order);
  std::sort(order.begin(), order.end());

  float sum = 1e-20f;  // Hugging Face's guard against dividing by zero
  for (const int e : order) sum += scores[e];
  for (std::size_t i = 0; i < order.size(); ++i) {
    expert_ids[i] = order[i];
    weights[i] = scores[order[i]] / (c.normalize ? sum : 1.0f) * c.route_scale;
  }
}

// ---- gradients ------------------------------------------------------------------------------------------------------

// Of the chosen experts' scores, from those of their weights: w_i = scale * s_i / sum of chosen s.
void add_weight_gradients(const RouteConfig& c, const std::int32_t* expert_ids, const float* weights,
                          const float* d_weights, const float* scores, float* d_scores) {
  float sum = 1e-20f, pull = 0;
  for (int i = 0; i < c.n_activated_experts; ++i) {
    sum += scores[expert_ids[i]];
    pull += d_weights[i] * weights[i];
  }
  for (int i = 0; i < c.n_activated_experts; ++i) {
    d_scores[expert_ids[i]] += c.normalize ? (c.route_scale * d_weights[i] - pull) / sum : c.route_scale * d_weights[i];
  }
}

// DeepSeek-V3's sequence-wise balance loss, per token: alpha * sum over e of f_e * s'_e, with s' the scores normalised
// to one and f_e the share of the sequence's choices that e got, 1 if all get the same (eqs 17-20).
void add_balance_gradients(const RouteConfig& c, float alpha, const float* shares, const float* scores,
                           float* d_scores) {
  float sum = 1e-20f, pull = 0;
  for (int e = 0; e < c.n_routed_experts; ++e) sum += scores[e];
  for (int e = 0; e < c.n_routed_experts; ++e) pull += alpha * shares[e] * scores[e] / sum;
  for (int e = 0; e < c.n_routed_experts; ++e) d_scores[e] += (alpha * shares[e] - pull) / sum;
}

// Through the sigmoid or the softmax, whose values `scores` are.
void add_product_gradients(const RouteConfig& c, const float* scores, const float* d_scores, float* d_products) {
  if (c.scoring == RouteConfig::Scoring::kSigmoid) {
    for (int e = 0; e < c.n_routed_experts; ++e) d_products[e] += d_scores[e] * scores[e] * (1.0f - scores[e]);
    return;
  }
  const float pull = dot(d_scores, scores, c.n_routed_experts);
  for (int e = 0; e < c.n_routed_experts; ++e) d_products[e] += scores[e] * (d_scores[e] - pull);
}

std::vector<float> choice_shares(const RouteConfig& c, const Routing& routing, const WholeSequence& sequence) {
  std::vector<float> shares(static_cast<std::size_t>(c.n_routed_experts), 0.0f);
  const std::int64_t first = std::int64_t{sequence.first_row} * c.n_activated_experts;
  const std::int64_t n = std::int64_t{sequence.n_rows} * c.n_activated_experts;
  for (std::int64_t i = first; i < first + n; ++i) shares[static_cast<std::size_t>(routing.expert_ids[i])] += 1.0f;
  for (float& share : shares) share *= static_cast<float>(c.n_routed_experts) / static_cast<float>(n);
  return shares;
}

void add_gradients(const Pass& pass, const RouteConfig& c, Tensor scores, const Routing& routing) {
  std::vector<float> d_scores(static_cast<std::size_t>(c.n_routed_experts));
  for (const WholeSequence& sequence : whole_sequences(pass.batch)) {
    const std::vector<float> shares = choice_shares(c, routing, sequence);
    for (std::int64_t row = sequence.first_row; row < sequence.first_row + sequence.n_rows; ++row) {
      const std::int64_t at = row * c.n_activated_experts;
      std::fill(d_scores.begin(), d_scores.end(), 0.0f);
      add_weight_gradients(c, routing.expert_ids + at, routing.weights + at, routing.d_weights + at, scores.row(row),
                           d_scores.data());
      if (pass.tape->balance_alpha > 0) {
        add_balance_gradients(c, pass.tape->balance_alpha, shares.data(), scores.row(row), d_scores.data());
      }
      add_product_gradients(c, scores.row(row), d_scores.data(), scores.grad_row(row));
    }
  }
}

}  // namespace

Routing route(Pass& pass, const RouteConfig& c, Tensor scores, const float* bias) {
  const OpTimer timer(pass, "route");
  R1_SHAPE(scores, {pass.n_tokens(), c.n_routed_experts});
  const std::int64_t n_chosen = std::int64_t{pass.n_tokens()} * c.n_activated_experts;
  Routing routing{c.n_activated_experts, reinterpret_cast<std::int32_t*>(pass.arena.allocate(n_chosen * 4)),
                  pass.arena.allocate_floats(n_chosen)};
  pass.parallel_pieces(pass.n_tokens(), 16, [&](std::int64_t first, std::int64_t last, int) {
    RouteScratch scratch;
    for (std::int64_t row = first; row < last; ++row) {
      route_row(c, scores.row(row), bias, scratch, routing.expert_ids + row * c.n_activated_experts,
                routing.weights + row * c.n_activated_experts);
    }
  });
  if (pass.tape != nullptr) {
    routing.d_weights = pass.arena.allocate_floats(n_chosen);
    std::fill_n(routing.d_weights, n_chosen, 0.0f);
    pass.tape->record([c, scores, routing](const Pass& p) { add_gradients(p, c, scores, routing); });
  }
  return routing;
}

}  // namespace r1
