// moe_experts.cpp: rows are grouped by expert, experts are cut into tasks that all threads share, and two barriers
// remain per layer: after gate, up and their product, and after down.
#include "ops/moe_experts.h"

#include <algorithm>
#include <vector>

#include "kernels/float_ops.h"
#include "ops/elementwise.h"
#include "ops/profile.h"
#include "ops/tape.h"

namespace r1 {
namespace {

// The (token, expert) pairs of a batch, sorted by expert and then by token: pair p is row p of the expert products.
struct Grouping {
  struct Group {
    int expert_id = 0, first_pair = 0, n_pairs = 0;
  };
  std::vector<Group> groups;         // experts with at least one token
  std::vector<std::int32_t> tokens;  // [pairs] the token of each pair
  std::vector<int> pair_of;          // [tokens * n_activated] where each choice went
};

Grouping group_by_expert(const Routing& routing, int n_tokens, int n_experts) {
  const int n_pairs = n_tokens * routing.n_activated;
  std::vector<int> next(static_cast<std::size_t>(n_experts) + 1, 0);  // counts, then where each expert's next pair goes
  for (int i = 0; i < n_pairs; ++i) ++next[static_cast<std::size_t>(routing.expert_ids[i]) + 1];
  Grouping grouping;
  for (int e = 0, first = 0; e < n_experts; ++e) {
    const int count = next[static_cast<std::size_t>(e) + 1];
    if (count > 0) grouping.groups.push_back({e, first, count});
    next[static_cast<std::size_t>(e)] = first;
    first += count;
  }
  grouping.tokens.resize(static_cast<std::size_t>(n_pairs));
  grouping.pair_of.resize(static_cast<std::size_t>(n_pairs));
  for (int i = 0; i < n_pairs; ++i) {
    const int pair = next[static_cast<std::size_t>(routing.expert_ids[i])]++;
    grouping.tokens[static_cast<std::size_t>(pair)] = i / routing.n_activated;
    grouping.pair_of[static_cast<std::size_t>(i)] = pair;
  }
  return grouping;
}

// One thread's unit of work: some rows of one expert's matrices, for all tokens of that expert.
struct ExpertTask {
  const Grouping::Group* group;
  std::int64_t first_row, n_rows;
};

std::vector<ExpertTask> cut_into_tasks(const Pass& pass, const Grouping& grouping, const Weight& matrix) {
  std::vector<ExpertTask> tasks;
  const auto n_groups = static_cast<std::int64_t>(grouping.groups.size());
  for (const Grouping::Group& group : grouping.groups) {
    const std::int64_t rows = rows_per_task(pass, matrix, group.n_pairs, n_groups);
    for (std::int64_t first = 0; first < matrix.n_rows(); first += rows) {
      tasks.push_back({&group, first, std::min(rows, matrix.n_rows() - first)});
    }
  }
  return tasks;
}

// ---- gradients ------------------------------------------------------------------------------------------------------

// What the forward made, pair by pair.
struct PairTensors {
  Tensor gate, up, hidden;  // [pairs, moe_inter_dim]
  Tensor outputs;           // [pairs, dim]
};

// Rows [first, first + n) of t and of its gradient.
Tensor rows_of_group(Tensor t, const Grouping::Group& group) {
  return {
      t.row(group.first_pair), {group.n_pairs, t.n_cols()}, t.grad == nullptr ? nullptr : t.grad_row(group.first_pair)};
}

// The sum over a token's experts: outputs get the token's gradient by weight, weights its product with the outputs.
void add_combine_gradients(const Grouping& grouping, const Routing& routing, Tensor outputs, Tensor y,
                           Tensor d_outputs) {
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(grouping.pair_of.size()); ++i) {
    const std::int64_t pair = grouping.pair_of[static_cast<std::size_t>(i)];
    const float* d_y = y.grad_row(i / routing.n_activated);
    routing.d_weights[i] += dot(d_y, outputs.row(pair), y.n_cols());
    std::copy_n(d_y, y.n_cols(), d_outputs.row(pair));
    scale(d_outputs.row(pair), routing.weights[i], y.n_cols());
  }
}

// One expert: down, SwiGLU's product, gate and up. Its tokens' rows of x are gathered, their gradients added back.
void add_expert_gradients(Pass& pass, Tensor x, const ExpertWeights& expert, const Grouping& grouping,
                          const Grouping::Group& group, const PairTensors& made, Tensor d_outputs) {
  const ArenaScope scope(pass.arena);
  const Tensor gate = rows_of_group(made.gate, group), up = rows_of_group(made.up, group);
  const auto zeros = [&](Shape shape) {
    Tensor t = pass.make_scratch(shape);
    std::fill_n(t.data, shape.n_values(), 0.0f);
    return t;
  };
  const Tensor d_hidden = zeros(gate.shape), d_gate = zeros(gate.shape), d_up = zeros(gate.shape);
  const Tensor rows = pass.make_scratch({group.n_pairs, x.n_cols()}), d_rows = zeros(rows.shape);
  const Tensor work = pass.make_scratch({1, gate.n_cols()});
  const std::int32_t* tokens = grouping.tokens.data() + group.first_pair;
  add_product_gradients(pass, rows_of_group(made.hidden, group), expert.down, rows_of_group(d_outputs, group),
                        d_hidden);
  for (int p = 0; p < group.n_pairs; ++p) {
    add_silu_mul_gradient(gate.row(p), up.row(p), d_hidden.row(p), d_gate.row(p), d_up.row(p), work.data,
                          gate.n_cols());
    std::copy_n(x.row(tokens[p]), x.n_cols(), rows.row(p));
  }
  add_product_gradients(pass, rows, expert.gate, d_gate, d_rows);
  add_product_gradients(pass, rows, expert.up, d_up, d_rows);
  for (int p = 0; p < group.n_pairs; ++p) {
    add(x.grad_row(tokens[p]), d_rows.row(p), x.grad_row(tokens[p]), x.n_cols());
  }
}

void record_experts(Tape& tape, Tensor x, std::span<const ExpertWeights> experts, const Routing& routing,
                    Grouping grouping, const PairTensors& made, Tensor y) {
  tape.record([=, grouping = std::move(grouping)](Pass& pass) {
    const ArenaScope scope(pass.arena);
    const Tensor d_outputs = pass.make_scratch(made.outputs.shape);
    add_combine_gradients(grouping, routing, made.outputs, y, d_outputs);
    for (const Grouping::Group& group : grouping.groups) {
      add_expert_gradients(pass, x, experts[static_cast<std::size_t>(group.expert_id)], grouping, group, made,
                           d_outputs);
    }
  });
}

}  // namespace

Tensor moe_experts(Pass& pass, Activations& x, std::span<const ExpertWeights> experts, const Routing& routing) {
  OpTimer timer(pass, "moe_experts", &experts[0].gate);
  const int n_tokens = static_cast<int>(x.f32().n_rows());
  const Grouping grouping = group_by_expert(routing, n_tokens, static_cast<int>(experts.size()));
  const auto n_pairs = static_cast<std::int64_t>(grouping.tokens.size());
  const Weight& any_gate = experts[0].gate;
  const Weight& any_down = experts[0].down;
  for (const Grouping::Group& group : grouping.groups) {
    const ExpertWeights& expert = experts[static_cast<std::size_t>(group.expert_id)];
    for (const Weight* w : {&expert.gate, &expert.up, &expert.down}) timer.count_product(*w, group.n_pairs);
  }

  Tensor gate = pass.make_scratch({n_pairs, any_gate.n_rows()});
  Tensor up = pass.make_scratch(gate.shape);
  Tensor hidden = pass.make_scratch(gate.shape);
  const Activations::Rows x_gate = x.in_format(pass, kernels(any_gate.dtype).activation);
  const Activations::Rows x_up = x.in_format(pass, kernels(experts[0].up.dtype).activation);
  const std::vector<ExpertTask> inner = cut_into_tasks(pass, grouping, any_gate);
  pass.pool.run(static_cast<int>(inner.size()), [&](int i, int) {
    const ExpertTask& task = inner[static_cast<std::size_t>(i)];
    const ExpertWeights& expert = experts[static_cast<std::size_t>(task.group->expert_id)];
    const std::int32_t* tokens = grouping.tokens.data() + task.group->first_pair;
    const std::int64_t offset = task.group->first_pair * gate.n_cols() + task.first_row;
    multiply_rows(expert.gate.rows(task.first_row, task.n_rows), x_gate, tokens, task.group->n_pairs,
                  gate.data + offset, gate.n_cols());
    multiply_rows(expert.up.rows(task.first_row, task.n_rows), x_up, tokens, task.group->n_pairs, up.data + offset,
                  gate.n_cols());
    for (int p = 0; p < task.group->n_pairs; ++p) {
      const std::int64_t at = offset + p * gate.n_cols();
      silu_mul(gate.data + at, up.data + at, hidden.data + at, task.n_rows);
    }
  });

  Activations hidden_rows(hidden);
  const Activations::Rows x_down = hidden_rows.in_format(pass, kernels(any_down.dtype).activation);
  Tensor outputs = pass.make_scratch({n_pairs, any_down.n_rows()});
  const std::vector<ExpertTask> outer = cut_into_tasks(pass, grouping, any_down);
  pass.pool.run(static_cast<int>(outer.size()), [&](int i, int) {
    const ExpertTask& task = outer[static_cast<std::size_t>(i)];
    const ExpertWeights& expert = experts[static_cast<std::size_t>(task.group->expert_id)];
    const Activations::Rows rows{x_down.data + task.group->first_pair * x_down.row_bytes, x_down.row_bytes};
    multiply_rows(expert.down.rows(task.first_row, task.n_rows), rows, nullptr, task.group->n_pairs,
                  outputs.row(task.group->first_pair) + task.first_row, outputs.n_cols());
  });

  Tensor y = pass.make({n_tokens, outputs.n_cols()});
  pass.parallel_pieces(n_tokens, 4, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t token = first; token < last; ++token) {
      std::fill_n(y.row(token), y.n_cols(), 0.0f);
      for (std::int64_t i = token * routing.n_activated; i < (token + 1) * routing.n_activated; ++i) {
        add_scaled(outputs.row(grouping.pair_of[static_cast<std::size_t>(i)]), routing.weights[i], y.row(token),
                   y.n_cols());
      }
    }
  });
  if (pass.tape != nullptr) {
    record_experts(*pass.tape, x.f32(), experts, routing, grouping, {gate, up, hidden, outputs}, y);
  }
  return y;
}

}  // namespace r1
