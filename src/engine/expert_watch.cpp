// expert_watch.cpp: which row, which layer, and the kernel's word on their experts.
#include "engine/expert_watch.h"

#include <algorithm>

#include "base/clock.h"

namespace r1 {
namespace {

constexpr std::int64_t kPeriodNs = 10'000'000;  // a large model's sample takes some 0.1 ms: 1 % of the time at most

bool kernel_tells(const Model& model) {
  const auto files = model.mapped_files();
  return std::all_of(files.begin(), files.end(), [](const MappedFile& file) { return file.shows_residency(); });
}

}  // namespace

ExpertWatch::ExpertWatch(const Model& model)
    : weights_(model.weights), n_activated_(model.config.route.n_activated_experts) {
  if (!kernel_tells(model)) return;
  for (int layer = 0; layer < model.config.n_layers; ++layer)
    if (!weights_.layer(layer).experts.empty()) layers_.push_back(layer);
}

// A layer by chance: one in turn could keep step with what is asked of the model.
bool ExpertWatch::begin_pass() {
  sampled_layer_ = -1;
  if (layers_.empty() || monotonic_ns() < next_ns_) return false;
  next_ns_ = monotonic_ns() + kPeriodNs;
  sampled_layer_ = layers_[rng_.below(layers_.size())];
  return true;
}

void ExpertWatch::routed(int layer, std::span<const std::int32_t> expert_ids) {
  if (layer != sampled_layer_ || expert_ids.empty()) return;  // none of the pass's rows may go on to this layer
  const auto n_activated = static_cast<std::size_t>(n_activated_);
  const std::size_t row = rng_.below(expert_ids.size() / n_activated);
  for (const std::int32_t id : expert_ids.subspan(row * n_activated, n_activated)) {
    const ExpertWeights& expert = weights_.layer(layer).experts[static_cast<std::size_t>(id)];
    for (const Weight* weight : {&expert.gate, &expert.up, &expert.down}) add(*weight);
  }
}

void ExpertWatch::add(const Weight& weight) {
  needed_.fetch_add(weight.n_bytes());
  resident_.fetch_add(resident_bytes({weight.data, static_cast<std::size_t>(weight.n_bytes())}));
}

}  // namespace r1
