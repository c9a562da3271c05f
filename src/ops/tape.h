// tape.h: the record of a pass, by which its gradients are found: every op notes how to take the gradient of its result
// to those of its inputs, and backward() runs the notes from the last to the first (reverse-mode differentiation,
// Linnainmaa 1970).
//
// Parameters lie in one array and their gradients in another of the same length: so a weight, which is a view into the
// first, finds its gradient in the second, and a weight that lies elsewhere (a file's, or LoRA's base) is not trained.
// Gradients are added, never overwritten. The tape is of one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "ops/adapters.h"
#include "ops/pass.h"
#include "ops/tensor.h"

namespace r1 {

class Tape {
 public:
  // Both must outlive the tape and have one length.
  Tape(std::span<const float> parameters, std::span<float> gradients) : parameters_(parameters), gradients_(gradients) {
    R1_ASSERT(parameters.size() == gradients.size(), "a gradient for each parameter");
  }

  // Where the gradient of what begins at `parameter` is summed; null: it is not trained.
  float* gradient_of(const float* parameter) const {
    const std::less<> before;
    if (parameter == nullptr || before(parameter, parameters_.data())) return nullptr;
    if (!before(parameter, parameters_.data() + parameters_.size())) return nullptr;
    return gradients_.data() + (parameter - parameters_.data());
  }
  // The same as a matrix; data null: it is not trained.
  Tensor gradient_of(const Weight& w) const {
    return {w.dtype == Dtype::kF32 ? gradient_of(reinterpret_cast<const float*>(w.data)) : nullptr, w.shape};
  }

  // What is trained in the place of weights that lie elsewhere; null: nothing.
  const Adapters* adapters = nullptr;
  const LowRank* adapter_of(const Weight& w) const {
    if (adapters == nullptr) return nullptr;
    const auto found = adapters->find(w.data);
    return found == adapters->end() ? nullptr : &found->second;
  }

  // DeepSeek-V3's sequence-wise balance loss (report eqs 17-20): its factor alpha; 0: none.
  float balance_alpha = 0;

  // Layers keep nothing but their results, and are computed again on the way back (ops/recompute.h).
  bool recompute = false;
  // For such a layer: the same parameters and settings, records of its own; recorded as usual.
  Tape part() const {
    Tape part(parameters_, gradients_);
    part.adapters = adapters;
    part.balance_alpha = balance_alpha;
    return part;
  }

  using Backward = std::function<void(Pass&)>;
  void record(Backward backward) { records_.push_back(std::move(backward)); }

  // `pass` is the one that was recorded, its arena not yet given back; the gradient of its result is in place.
  void backward(Pass& pass) {
    for (auto record = records_.rbegin(); record != records_.rend(); ++record) (*record)(pass);
    records_.clear();
  }

 private:
  std::span<const float> parameters_;
  std::span<float> gradients_;
  std::vector<Backward> records_;
};

}  // namespace r1
