// expert_watch.h: how much of its experts' weights a token found in memory, sampled: those of one row in one layer of a
// pass, and at most a hundred passes a second.
//
// Weights are mapped from files, so experts that memory has no room for are read from disk when a token needs them. The
// kernel is asked which of their pages it holds right before that. Counted are bytes: an expert may be there in part.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "model/weights.h"

namespace r1 {

struct ExpertBytes {
  std::int64_t needed = 0, resident = 0;  // of the rows that were sampled
};

class ExpertWatch {
 public:
  // The model must outlive it.
  explicit ExpertWatch(const Model& model);

  // Whether this pass is sampled: never where there are no experts, or where the kernel doesn't tell (MappedFile).
  bool begin_pass();
  void routed(int layer, std::span<const std::int32_t> expert_ids);  // [tokens, n_activated_experts]

  ExpertBytes bytes() const { return {needed_.load(), resident_.load()}; }  // from any thread

 private:
  void add(const Weight& weight);

  const Weights& weights_;
  const int n_activated_;
  std::vector<int> layers_;  // with experts; none: nothing is watched
  Rng rng_{0, 0};
  int sampled_layer_ = -1;
  std::int64_t next_ns_ = 0;
  std::atomic<std::int64_t> needed_ = 0, resident_ = 0;
};

}  // namespace r1
