// adamw.h: AdamW (Loshchilov & Hutter 2019, algorithm 2, weight decay scaled by the learning rate) over one array of
// parameters, with clipping of the gradient's norm before.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "train/trained_model.h"

namespace r1 {

struct AdamWConfig {
  float beta1 = 0.9f, beta2 = 0.95f, eps = 1e-8f;
  float weight_decay = 0.1f;  // of matrices; norms and biases have none
  float clip_norm = 1.0f;     // of the whole gradient; 0: off
};

class AdamW {
 public:
  AdamW(const TrainedModel& model, AdamWConfig config);

  // One update of the model's first n_trained() numbers. Returns the gradient's norm before clipping. Which thread does
  // what changes no bit.
  double step(ThreadPool& pool, TrainedModel& model, std::span<const float> gradients, float learning_rate);

  // What a checkpoint holds.
  std::int64_t n_steps() const { return n_steps_; }
  std::span<float> first_moments() { return m_; }
  std::span<float> second_moments() { return v_; }
  void set_n_steps(std::int64_t n) { n_steps_ = n; }

 private:
  AdamWConfig config_;
  std::int64_t n_steps_ = 0;
  std::vector<float> m_, v_;  // [n_trained]
};

// sqrt(sum of squares), summed in double in pieces whose bounds depend on the length alone.
double norm(ThreadPool& pool, std::span<const float> x);

}  // namespace r1
