// stage_steps.h: what one step of a stage is, by kind. train/stage.h runs them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "train/learner.h"
#include "train/stage_config.h"

namespace r1 {

struct StepReport {
  std::int64_t n_tokens = 0;
  std::vector<std::pair<std::string, double>> figures;  // for metrics.jsonl and the line of progress
  std::string sample;                                   // something the model wrote; may be empty
  std::string traces;                                   // lines for traces.jsonl
};

class StageSteps {
 public:
  virtual ~StageSteps() = default;
  virtual Result<StepReport> step(int step) = 0;  // what it draws depends on the configuration and `step` alone

  // What a step needs beyond the learner, to and from a checkpoint.
  virtual std::string state() const { return "{}"; }
  virtual void add_arrays(Checkpoint& /*checkpoint*/) const {}
  virtual Status restore(const std::string& /*state*/, const Checkpoint& /*checkpoint*/) { return {}; }
};

// Reads the traces that the configuration names.
Result<std::unique_ptr<StageSteps>> make_supervised_steps(const StageConfig& config, Learner& learner);
std::unique_ptr<StageSteps> make_grpo_steps(const StageConfig& config, Learner& learner, int n_workers);
std::unique_ptr<StageSteps> make_reject_steps(const StageConfig& config, Learner& learner, int n_workers);
Result<std::unique_ptr<StageSteps>> make_steps(const StageConfig& config, Learner& learner, int n_workers);

// The routers' speed of balancing at a step: still in the last share of them.
float balance_speed_at(const StageConfig& config, int step);

}  // namespace r1
