// stage_config.h: what `r1 train STAGE --config FILE` reads: one JSON object. Every key has a default but those that
// name what the stage begins with; a key that is not known is an Error, so that a typing mistake can't train for hours.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/lessons.h"
#include "train/lora.h"
#include "train/schedule.h"
#include "train/trainer.h"

namespace r1 {

enum class StageKind { kPretrain, kSft, kGrpo, kReject, kDistill };
inline constexpr StageKind kAllStages[] = {StageKind::kPretrain, StageKind::kSft, StageKind::kGrpo, StageKind::kReject,
                                           StageKind::kDistill};
std::string_view to_string(StageKind kind);
Result<StageKind> stage_named(std::string_view name);

struct GrpoConfig {
  int n_prompts = 32, n_samples = 16;  // of a step: groups, and answers in each
  int max_tokens = 256;                // of an answer; one that is cut off is worth nothing
  bool divide_by_deviation = false;    // GRPO's advantage; Dr.GRPO (Liu et al. 2025) leaves the division out
  bool mean_of_sequences = false;      // GRPO's 1/|o| for each answer; DAPO (Yu et al. 2025) takes the mean of tokens
  float kl_weight = 0;                 // beta of the k3 estimate against the reference policy; 0: no reference
  int refresh_reference = 100;         // steps after which the reference becomes the policy
  float clip_low = 0.2f, clip_high = 0.2f;  // of the ratio, when a rollout serves several updates
  int n_minibatches = 1;                    // updates a rollout serves
  double accuracy_weight = 1, format_weight = 0.1, language_weight = 0;
};

struct RejectConfig {
  int n_prompts = 64, n_samples = 4;  // of a step
  int max_tokens = 256;
  float temperature = 1.0f;
  int keep = 2;  // of a problem's right and well-formed answers, the shortest
};

struct StageConfig {
  StageKind kind = StageKind::kSft;
  std::string shape;      // train/shapes.h: a model from random weights; or
  std::string from;       // a checkpoint whose weights the stage begins with
  std::string tokenizer;  // what `r1 train tokenizer` wrote; with `from`: the checkpoint's own
  std::uint64_t seed = 1;
  int n_steps = 100;
  int tokens_per_step = 8192;  // pretrain, sft: examples are drawn until they have as many
  Schedule schedule;
  OptimizerConfig optimizer;
  WeightFormat weights = WeightFormat::kF32;
  int n_shares = 8, rows_at_once = 1024;
  bool recompute = false;
  double balance_speed = 1e-3;        // gamma; 0: routers' biases stay
  double frozen_balance_share = 0.1;  // the last share of steps in which they stay
  double balance_alpha = 1e-4;
  // Of multi-token prediction's loss: the first for a share of the steps, then the last (V3: 0.3, then 0.1); 0: none.
  float mtp_weight = 0, last_mtp_weight = 0;
  double mtp_weight_share = 2.0 / 3;
  float prompt_weight = 1.0f;                         // of prompts' tokens beside answers' tokens
  double answer_alone = 0;                            // share of examples without a thought
  std::string traces;                                 // sft, distill: what a reject stage kept, to learn from
  double traces_share = 1;                            // of the examples; the others are of the tasks' own traces
  std::string teacher;                                // distill: a checkpoint whose distributions are learnt; "": none
  float teacher_weight = 1, teacher_temperature = 1;  // its share of the loss, beside the examples' own
  std::vector<TaskWeight> mix;                        // "tasks": {"addition": 1, …}; none named: all, alike
  GrpoConfig grpo;
  RejectConfig reject;
  LoraConfig lora;  // its rank above 0: adapters are trained, the model stays

  float mtp_weight_at(int step) const { return step < n_steps * mtp_weight_share ? mtp_weight : last_mtp_weight; }

  int save_every_seconds = 300, log_every = 10, sample_every = 50;
};

Result<StageConfig> read_stage_config(StageKind kind, std::string_view json, std::string_view what);

}  // namespace r1
