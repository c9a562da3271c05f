// optimizer.h: one update of a model's trained numbers: the gradient's norm is clipped, then every tensor moves by the
// rule that is its own, AdamW's (train/adamw.h) or, where it is chosen, Muon's (train/muon.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "train/adamw.h"
#include "train/trained_model.h"

namespace r1 {

enum class OptimizerKind : std::uint8_t {
  kAdamW,
  kMuon,  // of layers' matrices; all other numbers are AdamW's
};

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kAdamW;
  AdamWConfig adamw;
  float muon_momentum = 0.95f;
};

class Optimizer {
 public:
  Optimizer(const TrainedModel& model, OptimizerConfig config);
  ~Optimizer();

  // One update of the model's trained numbers. Returns the gradient's norm before clipping. Which thread does what
  // changes no bit.
  double step(ThreadPool& pool, TrainedModel& model, std::span<const float> gradients, float learning_rate);

  // What a checkpoint holds.
  std::int64_t n_steps() const { return n_steps_; }
  std::span<float> first_moments() { return m_; }   // [n_trained]: Muon's momentum too
  std::span<float> second_moments() { return v_; }  // of AdamW's tensors, one after another
  void set_n_steps(std::int64_t n) { n_steps_ = n; }

 private:
  struct Scratch;
  // A tensor, or one expert's part of it: with Muon one task.
  struct Part {
    Shape shape;
    std::int64_t offset = 0;    // of trained numbers
    std::int64_t v_offset = 0;  // AdamW
    bool decays = false;
  };

  void step_muon(ThreadPool& pool, TrainedModel& model, std::span<const float> gradients, float learning_rate,
                 float gradient_scale);

  OptimizerConfig config_;
  std::int64_t n_steps_ = 0;
  std::vector<Part> adamw_, muon_;
  std::vector<float> m_, v_;
  std::vector<std::unique_ptr<Scratch>> scratch_;  // by thread
};

// sqrt(sum of squares), summed in double in pieces whose bounds depend on the length alone.
double norm(ThreadPool& pool, std::span<const float> x);

}  // namespace r1
