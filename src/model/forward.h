// forward.h: what the models are. The only place that says so: inference and training run it.
#pragma once

#include "model/model_config.h"
#include "model/weights.h"
#include "ops/pass.h"

namespace r1 {

// What depends on the configuration alone and is made once: RoPE's frequencies.
class Forward {
 public:
  Forward(const ModelConfig& config, const Weights& weights);

  // Logits of the rows the batch asks for: [logits_rows, vocab_size]; without data where pass.is_wanted ended it.
  // Writes the batch's keys and values into the cache.
  Tensor operator()(Pass& pass) const;

 private:
  const ModelConfig& config_;
  const Weights& weights_;
  std::vector<float> rope_frequencies_;  // [rope.n_dims / 2]
};

}  // namespace r1
