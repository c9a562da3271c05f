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

  // Logits of the rows the batch asks for: [logits_rows, vocab_size]; without data where pass.wanted_rows ended it.
  // Writes the batch's keys and values into the cache.
  Tensor operator()(Pass& pass) const;

  // The same in two parts, for who needs more of a row than its logits: every row's hidden state behind the final norm
  // [tokens, dim], and the head.
  Tensor hidden(Pass& pass) const;
  Tensor logits(Pass& pass, Tensor hidden, std::span<const int> row_ids) const;  // [row_ids.size(), vocab_size]

  bool has_mtp() const { return weights_.mtp.has_value(); }
  // Multi-token prediction (DeepSeek-V3 report, 2.2), one token deep: from hidden(), of the batch's rows, and the token
  // that follows each, logits of the token after that [row_ids.size(), vocab_size]. Of a batch it reads positions and
  // sequences. Keeps latents of its own, as layer n_layers of a cache that has room for them.
  Tensor predict_second(Pass& pass, Tensor hidden, std::span<const int> next_ids, std::span<const int> row_ids) const;

 private:
  Tensor residual_stream(Pass& pass) const;

  const ModelConfig& config_;
  const Weights& weights_;
  std::vector<float> rope_frequencies_;  // [rope.n_dims / 2]
};

}  // namespace r1
