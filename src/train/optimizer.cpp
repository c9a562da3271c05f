// optimizer.cpp: AdamW takes every number alone, so pieces may run on any thread; Muon takes every matrix alone.
#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "ops/arena.h"
#include "train/muon.h"

namespace r1 {
namespace {

constexpr std::int64_t kPiece = 1 << 14;

template <typename Body>
void in_pieces(ThreadPool& pool, std::int64_t n, Body body) {
  pool.run(static_cast<int>((n + kPiece - 1) / kPiece), [&](int piece, int) {
    const std::int64_t first = piece * kPiece;
    body(piece, first, std::min(first + kPiece, n));
  });
}

}  // namespace

// A thread's own: products find a pool of one thread here.
struct Optimizer::Scratch {
  ThreadPool pool{1};
  Arena arena;
};

double norm(ThreadPool& pool, std::span<const float> x) {
  const auto n = static_cast<std::int64_t>(x.size());
  std::vector<double> sums(static_cast<std::size_t>((n + kPiece - 1) / kPiece));
  in_pieces(pool, n, [&](int piece, std::int64_t first, std::int64_t last) {
    double sum = 0;
    for (std::int64_t i = first; i < last; ++i)
      sum += double{x[static_cast<std::size_t>(i)]} * x[static_cast<std::size_t>(i)];
    sums[static_cast<std::size_t>(piece)] = sum;
  });
  double sum = 0;
  for (const double piece : sums) sum += piece;
  return std::sqrt(sum);
}

Optimizer::Optimizer(const TrainedModel& model, OptimizerConfig config)
    : config_(config), m_(static_cast<std::size_t>(model.n_trained()), 0.0f) {
  std::int64_t n_v = 0;
  for (const ParameterTensor& p : model.trained_tensors()) {
    if (config.kind == OptimizerKind::kAdamW || !is_for_muon(p)) {
      adamw_.push_back({.shape = p.shape, .offset = p.offset, .v_offset = n_v, .decays = p.is_matrix});
      n_v += p.shape.n_values();
      continue;
    }
    const bool is_stacked = p.shape.n_dims == 3;
    const Shape one = is_stacked ? Shape{p.shape[1], p.shape[2]} : p.shape;
    for (std::int64_t at = 0; at < p.shape.n_values(); at += one.n_values()) {
      muon_.push_back({.shape = one, .offset = p.offset + at, .v_offset = 0, .decays = true});
    }
  }
  v_.resize(static_cast<std::size_t>(n_v), 0.0f);
}

Optimizer::~Optimizer() = default;

double Optimizer::step(ThreadPool& pool, TrainedModel& model, std::span<const float> gradients, float learning_rate) {
  R1_ASSERT(gradients.size() == m_.size(), "a gradient for each trained parameter");
  ++n_steps_;
  const double gradient_norm = norm(pool, gradients);
  const float limit = config_.adamw.clip_norm;
  const float scale = limit > 0 && gradient_norm > limit ? static_cast<float>(limit / gradient_norm) : 1.0f;
  AdamWUpdate u = adamw_update(config_.adamw, n_steps_, learning_rate, scale);
  for (const Part& part : adamw_) {
    u.decay = part.decays ? learning_rate * config_.adamw.weight_decay : 0.0f;
    in_pieces(pool, part.shape.n_values(), [&](int, std::int64_t first, std::int64_t last) {
      const std::int64_t at = part.offset + first;
      update_adamw(u, gradients.data() + at, model.trained_values().data() + at, m_.data() + at,
                   v_.data() + part.v_offset + first, last - first);
    });
  }
  if (!muon_.empty()) step_muon(pool, model, gradients, learning_rate, scale);
  return gradient_norm;
}

void Optimizer::step_muon(ThreadPool& pool, TrainedModel& model, std::span<const float> gradients, float learning_rate,
                          float gradient_scale) {
  while (scratch_.size() < static_cast<std::size_t>(pool.n_threads())) scratch_.push_back(std::make_unique<Scratch>());
  const MuonUpdate u{.momentum = config_.muon_momentum,
                     .gradient_scale = gradient_scale,
                     .learning_rate = learning_rate,
                     .decay = learning_rate * config_.adamw.weight_decay};
  pool.run(static_cast<int>(muon_.size()), [&](int i, int thread) {
    const Part& part = muon_[static_cast<std::size_t>(i)];
    Scratch& mine = *scratch_[static_cast<std::size_t>(thread)];
    update_muon(mine.pool, mine.arena, u, part.shape, gradients.data() + part.offset,
                model.trained_values().data() + part.offset, m_.data() + part.offset);
  });
}

}  // namespace r1
