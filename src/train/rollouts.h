// rollouts.h: answers sampled from the model being trained, by the ordinary engine with the very same weights: for
// GRPO, rejection sampling and evaluation.
//
// An engine of one thread for each worker: small models lose more to threads that wait for each other than they gain.
// An answer depends on its prompt, its seed and the weights alone, not on the engine or what runs beside it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/weights.h"

namespace r1 {

struct RolloutRequest {
  std::vector<int> prompt;
  std::uint64_t seed = 0;
  int max_tokens = 0;
  float temperature = 1.0f;  // 0: greedy
};

struct Rollout {
  std::vector<int> completion;  // the token that ended it among them
  std::vector<float> logprobs;  // [completion] of the model itself, whatever the temperature
  bool ended = false;           // false: cut off at max_tokens
};

struct RolloutOptions {
  int n_workers = 1;
  int max_running = 64;  // sequences that an engine decodes together
  std::vector<int> end_ids;
};

// One rollout for each request, in their order. Errors: a prompt beyond the context, logits that are not finite.
Result<std::vector<Rollout>> roll_out(const Model& model, const RolloutOptions& options,
                                      std::span<const RolloutRequest> requests);

}  // namespace r1
