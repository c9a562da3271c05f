// reject_steps.cpp: rejection sampling (DeepSeek-R1, section 2.3.3): answers by the model as it is, of which the right
// and well-formed ones are kept. No weight changes.
#include <algorithm>

#include "train/rollouts.h"
#include "train/stage_steps.h"
#include "train/traces.h"

namespace r1 {
namespace {

class RejectSteps final : public StageSteps {
 public:
  RejectSteps(const StageConfig& config, Learner& learner, int n_workers)
      : config_(config), learner_(learner), n_workers_(n_workers) {}

  Result<StepReport> step(int step) override {
    const RejectConfig& r = config_.reject;
    const std::uint64_t stream = config_.seed * 16 + static_cast<std::uint64_t>(config_.kind);
    std::vector<DrawnProblem> problems;
    std::vector<RolloutRequest> requests;
    for (int i = 0; i < r.n_prompts; ++i) {
      const std::uint64_t index = (static_cast<std::uint64_t>(step) << 20) + static_cast<std::uint64_t>(i);
      problems.push_back(draw_problem(config_.mix, Split::kTrain, stream, index));
      const std::vector<int> prompt = learner_.lessons().prompt(problems.back().problem);
      Rng seeds(stream ^ 0x73616d706c65, index);
      for (int s = 0; s < r.n_samples; ++s) requests.push_back({prompt, seeds.bits(), r.max_tokens, r.temperature});
    }
    const std::span<const int> ends = learner_.tokenizer().end_ids();
    R1_TRY(
        const std::vector<Rollout> rollouts,
        roll_out(learner_.model().model(), {.n_workers = n_workers_, .end_ids = {ends.begin(), ends.end()}}, requests));
    return report(problems, rollouts);
  }

 private:
  StepReport report(const std::vector<DrawnProblem>& problems, const std::vector<Rollout>& rollouts) const {
    StepReport report;
    double n_right = 0, n_kept = 0;
    const auto n = static_cast<std::size_t>(config_.reject.n_samples);
    for (std::size_t i = 0; i < problems.size(); ++i) {
      std::vector<std::string> right = right_answers(problems[i], {rollouts.data() + i * n, n});
      n_right += static_cast<double>(right.size());
      right.erase(std::unique(right.begin(), right.end()), right.end());
      right.resize(std::min(right.size(), static_cast<std::size_t>(config_.reject.keep)));
      n_kept += static_cast<double>(right.size());
      for (const std::string& written : right) {
        report.traces += to_json_line({std::string(problems[i].task->name), problems[i].problem.prompt, written});
      }
    }
    for (const Rollout& rollout : rollouts) report.n_tokens += static_cast<std::int64_t>(rollout.completion.size());
    const auto n_all = static_cast<double>(rollouts.size());
    report.figures = {{"right", n_right / n_all}, {"kept", n_kept / n_all}};
    return report;
  }

  // The shortest first; of one length, by their text.
  std::vector<std::string> right_answers(const DrawnProblem& drawn, std::span<const Rollout> rollouts) const {
    std::vector<std::string> right;
    for (const Rollout& rollout : rollouts) {
      if (!rollout.ended) continue;
      std::string written = learner_.lessons().written(rollout.completion);
      const Reward reward = drawn.task->grade(drawn.problem, written);
      if (reward.accuracy > 0.5 && reward.format > 0.5) right.push_back(std::move(written));
    }
    std::sort(right.begin(), right.end(), [](const std::string& a, const std::string& b) {
      return a.size() < b.size() || (a.size() == b.size() && a < b);
    });
    return right;
  }

  const StageConfig& config_;
  Learner& learner_;
  int n_workers_;
};

}  // namespace

std::unique_ptr<StageSteps> make_reject_steps(const StageConfig& config, Learner& learner, int n_workers) {
  return std::make_unique<RejectSteps>(config, learner, n_workers);
}

}  // namespace r1
