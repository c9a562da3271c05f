// trainer.h: one step: examples to gradients to new weights.
//
// A step's examples are cut into a fixed number of shares. Workers, each with a thread, scratch and cache of its own,
// compute shares' gradients through the one forward (model/forward.h) with a tape; the shares' sums are added in order.
// So the number of workers changes no bit.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "train/cross_entropy.h"
#include "train/example.h"
#include "train/optimizer.h"
#include "train/trained_model.h"
#include "train/weight_rounding.h"

namespace r1 {

struct TrainerConfig {
  int n_workers = 1;
  int n_shares = 8;         // part of what is computed: another number, other rounding
  int rows_at_once = 1024;  // of a share: longer shares take several passes
  OptimizerConfig optimizer;
  WeightFormat weights = WeightFormat::kF32;  // of the model's matrices, from the first step's end on
  std::uint64_t rounding_seed = 0;
  float balance_alpha = 1e-4f;     // of the sequence-wise balance loss
  const Model* teacher = nullptr;  // of logit distillation; must outlive the trainer
  // Keep of a layer its result alone and compute it again on the way back: less memory, more time, the same bits.
  bool recompute = false;
};

// What may change from step to step.
struct StepSettings {
  float learning_rate = 0;
  // gamma of auxiliary-loss-free balancing (Wang et al. 2024; V3 report 2.1.2), by which routers' biases move once, up
  // for experts chosen less than the mean, centred; 0: they stay.
  float balance_speed = 0;
  // lambda, the weight of multi-token prediction's loss beside the main one (V3 report 2.2); 0: that module is not run.
  float mtp_weight = 0;
  // The share of the teacher's divergence in the loss, the rest is the examples' own; 0: the teacher is not asked.
  float teacher_weight = 0;
  float teacher_temperature = 1;
};

struct StepStats {
  double loss = 0;                                 // sum of coefficient * -logprob
  double mtp_loss = 0;                             // the same of the token after the next, before it is weighted
  std::int64_t n_mtp_targets = 0, n_mtp_best = 0;  // as n_targets, n_best
  double divergence = 0;                           // sum of coefficient * KL(teacher || student)
  std::int64_t n_rows = 0, n_targets = 0;
  double sum_logprob = 0, sum_entropy = 0;             // over targets
  std::int64_t n_best = 0;                             // targets with the greatest logit
  double gradient_norm = 0;                            // before clipping
  std::vector<std::vector<std::int64_t>> expert_load;  // [layers with experts][n_routed_experts] choices;
                                                       // that of multi-token prediction last, if it was run

  double mean_logprob() const { return n_targets == 0 ? 0 : sum_logprob / static_cast<double>(n_targets); }
  // max load / mean load - 1, the worst layer's (DeepSeek-V3's MaxVio); 0 without experts.
  double worst_load() const;
};

class Trainer {
 public:
  // The model must outlive the trainer.
  Trainer(TrainedModel& model, TrainerConfig config);
  ~Trainer();

  // One update.
  StepStats step(std::span<const Example> examples, const StepSettings& settings);

  // Log-probabilities of all targets with a coefficient, example by example; nothing changes.
  std::vector<std::vector<float>> logprobs(std::span<const Example> examples);

  Optimizer& optimizer() { return optimizer_; }
  std::span<const float> gradients() const { return gradients_; }  // of the last step: [n_trained]
  ThreadPool& pool() { return pool_; }

 private:
  struct Worker;
  struct Share;

  struct PassSettings {
    std::int64_t step_rows = 0;  // of all the step's examples
    StepSettings step;
  };

  // Some examples of a share through forward and, where there is room for gradients, backward.
  void run_pass(Worker& worker, std::span<const Example> examples, std::span<float> gradients,
                const PassSettings& settings, Share& share) const;
  static void add_teacher_loss(Pass& pass, Worker& worker, const PackedBatch& packed, Tensor logits,
                               const StepSettings& settings, StepStats& stats);
  void run_shares(std::span<const Example> examples, std::vector<Share>& shares, bool with_gradients,
                  const StepSettings& settings = {});
  void add_gradients(const std::vector<Share>& shares);
  void move_biases(const StepStats& stats, float speed);

  TrainedModel& model_;
  TrainerConfig config_;
  ThreadPool pool_;
  Optimizer optimizer_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::vector<float>> share_gradients_;  // [n_shares][n_trained]
  std::vector<float> gradients_;
};

}  // namespace r1
