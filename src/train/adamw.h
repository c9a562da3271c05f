// adamw.h: AdamW (Loshchilov & Hutter 2019, algorithm 2, weight decay scaled by the learning rate): the update of one
// piece of numbers. train/optimizer.h says which numbers it is for.
#pragma once

#include <cstdint>

namespace r1 {

struct AdamWConfig {
  float beta1 = 0.9f, beta2 = 0.95f, eps = 1e-8f;
  float weight_decay = 0.1f;  // of matrices; norms and biases have none
  float clip_norm = 1.0f;     // of the whole gradient; 0: off
};

// What is the same for all numbers of a step, but for the decay.
struct AdamWUpdate {
  float beta1 = 0, beta2 = 0, eps = 0;
  float gradient_scale = 1;  // what clipping leaves of the gradient
  float step_size = 0;       // learning rate / (1 - beta1^t)
  float root_correction = 1;
  float decay = 0;  // learning rate * weight decay
};
// Update t = 1, 2, … without decay.
AdamWUpdate adamw_update(const AdamWConfig& config, std::int64_t t, float learning_rate, float gradient_scale);

void update_adamw(const AdamWUpdate& u, const float* gradient, float* value, float* m, float* v, std::int64_t n);

}  // namespace r1
