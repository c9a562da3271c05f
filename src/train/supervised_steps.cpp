// supervised_steps.cpp: pretraining and fine-tuning: worked answers, until a step has its tokens.
#include <algorithm>

#include "train/stage_steps.h"
#include "train/traces.h"

namespace r1 {
namespace {

// Streams of draws that must not meet: one a kind of stage.
std::uint64_t stream_of(const StageConfig& config) {
  return config.seed * 16 + static_cast<std::uint64_t>(config.kind);
}

class SupervisedSteps final : public StageSteps {
 public:
  SupervisedSteps(const StageConfig& config, Learner& learner, std::vector<Trace> traces)
      : config_(config), learner_(learner), traces_(std::move(traces)) {}

  Result<StepReport> step(int step) override {
    const std::vector<Example> examples = draw(step);
    const float learning_rate = config_.schedule.at(step);
    const StepStats stats = learner_.trainer().step(examples, {.learning_rate = learning_rate,
                                                               .balance_speed = balance_speed_at(config_, step),
                                                               .mtp_weight = config_.mtp_weight_at(step),
                                                               .teacher_weight = teacher_weight(),
                                                               .teacher_temperature = config_.teacher_temperature});
    StepReport report;
    report.n_tokens = stats.n_rows;
    const auto n = static_cast<double>(std::max<std::int64_t>(1, stats.n_targets));
    report.figures = {{"loss", stats.loss},
                      {"next_token_accuracy", static_cast<double>(stats.n_best) / n},
                      {"entropy", stats.sum_entropy / n},
                      {"gradient_norm", stats.gradient_norm},
                      {"learning_rate", learning_rate},
                      {"max_violation", stats.worst_load()}};
    if (teacher_weight() > 0) report.figures.emplace_back("divergence", stats.divergence);
    if (stats.n_mtp_targets > 0) {
      report.figures.emplace_back("mtp_loss", stats.mtp_loss);
      report.figures.emplace_back("mtp_accuracy",
                                  static_cast<double>(stats.n_mtp_best) / static_cast<double>(stats.n_mtp_targets));
    }
    return report;
  }

 private:
  float teacher_weight() const { return config_.teacher.empty() ? 0.0f : config_.teacher_weight; }

  // Draw i of a step is number step * 2^20 + i of the stage's stream: whatever steps hold, none sees another's.
  std::vector<Example> draw(int step) const {
    const std::uint64_t stream = stream_of(config_);
    std::vector<Example> examples;
    double weight = 0;
    int n_tokens = 0;
    for (std::uint64_t i = 0; n_tokens < config_.tokens_per_step; ++i) {
      const std::uint64_t index = (static_cast<std::uint64_t>(step) << 20) + i;
      Example example = draw_one(stream, index);
      n_tokens += example.n_rows();
      for (std::size_t t = 1; t < example.coefficients.size(); ++t) weight += example.coefficients[t];
      examples.push_back(std::move(example));
    }
    for (Example& example : examples) {
      for (float& coefficient : example.coefficients) coefficient = static_cast<float>(coefficient / weight);
    }
    return examples;
  }

  Example draw_one(std::uint64_t stream, std::uint64_t index) const {
    const LessonWriter& lessons = learner_.lessons();
    Rng rng(stream ^ 0x616c6f6e65, index);
    if (!traces_.empty() && rng.uniform() < config_.traces_share) {
      const Trace& trace = traces_[rng.below(traces_.size())];
      return lessons.thought({.prompt = trace.prompt}, trace.written, config_.prompt_weight);
    }
    const Problem problem = draw_problem(config_.mix, Split::kTrain, stream, index).problem;
    if (rng.uniform() < config_.answer_alone) return lessons.answer_alone(problem, config_.prompt_weight);
    return lessons.thought(problem, problem.trace, config_.prompt_weight);
  }

  const StageConfig& config_;
  Learner& learner_;
  std::vector<Trace> traces_;
};

}  // namespace

Result<std::unique_ptr<StageSteps>> make_supervised_steps(const StageConfig& config, Learner& learner) {
  std::vector<Trace> traces;
  if (!config.traces.empty()) {
    R1_TRY(traces, read_traces(config.traces));
  }
  return std::unique_ptr<StageSteps>(std::make_unique<SupervisedSteps>(config, learner, std::move(traces)));
}

Result<std::unique_ptr<StageSteps>> make_steps(const StageConfig& config, Learner& learner, int n_workers) {
  if (config.kind == StageKind::kGrpo) return make_grpo_steps(config, learner, n_workers);
  if (config.kind == StageKind::kReject) return make_reject_steps(config, learner, n_workers);
  return make_supervised_steps(config, learner);
}

float balance_speed_at(const StageConfig& config, int step) {
  const bool is_frozen = step >= config.n_steps * (1.0 - config.frozen_balance_share);
  return is_frozen ? 0.0f : static_cast<float>(config.balance_speed);
}

}  // namespace r1
