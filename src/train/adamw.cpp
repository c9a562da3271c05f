// adamw.cpp: every number alone, so pieces may run on any thread.
#include "train/adamw.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"

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

struct Update {
  float beta1, beta2, eps, gradient_scale, step_size, root_correction, decay;
};

void update(const Update& u, const float* gradient, float* value, float* m, float* v, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * u.gradient_scale;
    m[i] = u.beta1 * m[i] + (1.0f - u.beta1) * g;
    v[i] = u.beta2 * v[i] + (1.0f - u.beta2) * g * g;
    value[i] -= u.decay * value[i] + u.step_size * m[i] / (std::sqrt(v[i]) * u.root_correction + u.eps);
  }
}

}  // namespace

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

AdamW::AdamW(const TrainedModel& model, AdamWConfig config)
    : config_(config),
      m_(static_cast<std::size_t>(model.n_trained()), 0.0f),
      v_(static_cast<std::size_t>(model.n_trained()), 0.0f) {}

double AdamW::step(ThreadPool& pool, TrainedModel& model, std::span<const float> gradients, float learning_rate) {
  R1_ASSERT(gradients.size() == m_.size(), "a gradient for each trained parameter");
  ++n_steps_;
  const double gradient_norm = norm(pool, gradients);
  const auto t = static_cast<double>(n_steps_);
  Update u{.beta1 = config_.beta1,
           .beta2 = config_.beta2,
           .eps = config_.eps,
           .gradient_scale = 1.0f,
           .step_size = static_cast<float>(learning_rate / (1.0 - std::pow(double{config_.beta1}, t))),
           .root_correction = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(double{config_.beta2}, t))),
           .decay = 0};
  if (config_.clip_norm > 0 && gradient_norm > config_.clip_norm) {
    u.gradient_scale = static_cast<float>(config_.clip_norm / gradient_norm);
  }
  for (const ParameterTensor& p : model.parameters()) {
    if (p.offset >= model.n_trained()) break;
    u.decay = p.is_matrix ? learning_rate * config_.weight_decay : 0.0f;
    in_pieces(pool, p.shape.n_values(), [&](int, std::int64_t first, std::int64_t last) {
      const std::int64_t at = p.offset + first;
      update(u, gradients.data() + at, model.values().data() + at, m_.data() + at, v_.data() + at, last - first);
    });
  }
  return gradient_norm;
}

}  // namespace r1
