// grpo_steps.cpp: a step of group relative policy optimisation: problems, a group of answers for each, rewards,
// advantages, an update.
#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "train/policy_gradient.h"
#include "train/rollouts.h"
#include "train/stage_steps.h"

namespace r1 {
namespace {

struct Answer {
  Rollout rollout;
  Reward reward;
  double total = 0;
  float advantage = 0;
};

struct Group {
  DrawnProblem drawn;
  std::vector<int> prompt;
  std::vector<Answer> answers;

  bool is_informative() const {
    return std::any_of(answers.begin(), answers.end(), [](const Answer& a) { return a.advantage != 0.0f; });
  }
};

class GrpoSteps final : public StageSteps {
 public:
  GrpoSteps(const StageConfig& config, Learner& learner, int n_workers)
      : config_(config), learner_(learner), n_workers_(n_workers) {
    if (uses_reference()) {
      reference_ = std::make_unique<TrainedModel>(learner.model().config(), 0);
      refresh_reference();
    }
  }

  Result<StepReport> step(int step) override {
    if (uses_reference() && step > 0 && step % config_.grpo.refresh_reference == 0) refresh_reference();
    R1_TRY(std::vector<Group> groups, roll_out_groups(step));
    for (Group& group : groups) reward(group);
    const StepStats stats = update(groups, step);
    return report(groups, stats);
  }

  void add_arrays(Checkpoint& checkpoint) const override {
    if (!uses_reference()) return;
    checkpoint.arrays["reference"] = reference_numbers_;
  }
  Status restore(const std::string& /*state*/, const Checkpoint& checkpoint) override {
    if (!uses_reference()) return {};
    const auto found = checkpoint.arrays.find("reference");
    if (found == checkpoint.arrays.end() || found->second.size() != reference_numbers_.size()) {
      return Error{ErrorCode::kInvalidInput, "the checkpoint has no reference policy of the model's size"};
    }
    set_reference(found->second);
    return {};
  }

 private:
  bool uses_reference() const { return config_.grpo.kl_weight > 0; }
  void refresh_reference() {
    const std::span<const float> now = learner_.numbers();
    set_reference({now.begin(), now.end()});
  }
  // By the numbers that checkpoints hold: the model's, or its adapters'.
  void set_reference(std::vector<float> numbers) {
    const std::span<const float> model = learner_.model().values();
    const LoraAdapters* lora = learner_.model().lora();
    reference_numbers_ = std::move(numbers);
    const std::span<const float> values = lora != nullptr ? model : std::span<const float>(reference_numbers_);
    std::copy(values.begin(), values.end(), reference_->values().begin());
    if (lora != nullptr) lora->merge(learner_.trainer().pool(), reference_numbers_, reference_->values());
  }

  Result<std::vector<Group>> roll_out_groups(int step) const {
    const GrpoConfig& g = config_.grpo;
    const std::uint64_t stream = config_.seed * 16 + static_cast<std::uint64_t>(config_.kind);
    std::vector<Group> groups(static_cast<std::size_t>(g.n_prompts));
    std::vector<RolloutRequest> requests;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const std::uint64_t index = (static_cast<std::uint64_t>(step) << 20) + i;
      groups[i].drawn = draw_problem(config_.mix, Split::kTrain, stream, index);
      groups[i].prompt = learner_.lessons().prompt(groups[i].drawn.problem);
      Rng seeds(stream ^ 0x73616d706c65, index);
      for (int sample = 0; sample < g.n_samples; ++sample) {
        requests.push_back({groups[i].prompt, seeds.bits(), g.max_tokens});
      }
    }
    const std::span<const int> ends = learner_.tokenizer().end_ids();
    R1_TRY(
        std::vector<Rollout> rollouts,
        roll_out(learner_.model().model(), {.n_workers = n_workers_, .end_ids = {ends.begin(), ends.end()}}, requests));
    for (std::size_t i = 0; i < rollouts.size(); ++i) {
      groups[i / static_cast<std::size_t>(g.n_samples)].answers.push_back(
          {.rollout = std::move(rollouts[i]), .reward = {}});
    }
    return groups;
  }

  // An answer that was cut off is worth nothing.
  void reward(Group& group) const {
    const GrpoConfig& g = config_.grpo;
    std::vector<double> totals;
    for (Answer& answer : group.answers) {
      if (answer.rollout.ended) {
        answer.reward =
            group.drawn.task->grade(group.drawn.problem, learner_.lessons().written(answer.rollout.completion));
        answer.total = total(answer.reward, {g.accuracy_weight, g.format_weight, g.language_weight});
      }
      totals.push_back(answer.total);
    }
    const std::vector<float> advantages = group_advantages(totals, g.divide_by_deviation);
    for (std::size_t i = 0; i < advantages.size(); ++i) group.answers[i].advantage = advantages[i];
  }

  // Answers of groups in which all did alike teach nothing and are left out, unless a reference holds them.
  std::vector<const Answer*> answers_to_learn_from(const std::vector<Group>& groups,
                                                   std::vector<Example>& examples) const {
    std::vector<const Answer*> answers;
    for (const Group& group : groups) {
      if (!group.is_informative() && !uses_reference()) continue;
      for (const Answer& answer : group.answers) {
        Example& example = examples.emplace_back();
        example.tokens = group.prompt;
        example.coefficients.assign(group.prompt.size(), 0.0f);
        example.n_prompt = static_cast<int>(group.prompt.size());
        example.tokens.insert(example.tokens.end(), answer.rollout.completion.begin(), answer.rollout.completion.end());
        example.coefficients.resize(example.tokens.size(), 1.0f);
        answers.push_back(&answer);
      }
    }
    return answers;
  }

  // The share of an answer's tokens in the loss: DAPO's mean over all tokens, or GRPO's mean over answers.
  double token_share(const Answer& answer, std::size_t n_answers, std::int64_t n_tokens) const {
    if (!config_.grpo.mean_of_sequences) return 1.0 / static_cast<double>(n_tokens);
    return 1.0 / (static_cast<double>(n_answers) * static_cast<double>(answer.rollout.completion.size()));
  }

  StepStats update(const std::vector<Group>& groups, int step) {
    std::vector<Example> examples;
    const std::vector<const Answer*> answers = answers_to_learn_from(groups, examples);
    StepStats all;
    if (answers.empty()) return all;
    std::vector<std::vector<float>> reference;
    if (uses_reference()) {
      Trainer measure(*reference_,
                      {.n_workers = n_workers_, .n_shares = config_.n_shares, .rows_at_once = config_.rows_at_once});
      reference = measure.logprobs(examples);
    }
    const int n_parts = config_.grpo.n_minibatches;
    for (int part = 0; part < n_parts; ++part) {
      const std::size_t first = answers.size() * static_cast<std::size_t>(part) / static_cast<std::size_t>(n_parts);
      const std::size_t last =
          answers.size() * (static_cast<std::size_t>(part) + 1) / static_cast<std::size_t>(n_parts);
      if (first == last) continue;
      all = update_part(answers, examples, reference, first, last, step);
    }
    return all;
  }

  StepStats update_part(const std::vector<const Answer*>& answers, std::vector<Example>& examples,
                        const std::vector<std::vector<float>>& reference, std::size_t first, std::size_t last,
                        int step) {
    const std::span<Example> mine(examples.data() + first, last - first);
    // One update a rollout and no reference: the policy is the one that sampled, and every ratio is 1.
    const bool is_on_policy = config_.grpo.n_minibatches == 1;
    std::vector<std::vector<float>> now;
    if (!is_on_policy) now = learner_.trainer().logprobs(mine);
    std::int64_t n_tokens = 0;
    for (std::size_t i = first; i < last; ++i)
      n_tokens += static_cast<std::int64_t>(answers[i]->rollout.completion.size());
    for (std::size_t i = first; i < last; ++i) {
      const Answer& answer = *answers[i];
      const double share = token_share(answer, last - first, n_tokens);
      float* coefficients = examples[i].coefficients.data() + examples[i].n_prompt;
      for (std::size_t t = 0; t < answer.rollout.completion.size(); ++t) {
        TokenLogprobs token;
        token.sampled = answer.rollout.logprobs[t];
        token.now = is_on_policy ? token.sampled : now[i - first][t];
        token.reference = uses_reference() ? reference[i][t] : token.now;
        coefficients[t] = static_cast<float>(share * token_coefficient(config_.grpo, answer.advantage, token));
      }
    }
    return learner_.trainer().step(
        mine, {.learning_rate = config_.schedule.at(step), .balance_speed = balance_speed_at(config_, step)});
  }

  StepReport report(const std::vector<Group>& groups, const StepStats& stats) const {
    StepReport report;
    double n = 0, reward = 0, accuracy = 0, format = 0, length = 0, ended = 0, informative = 0;
    std::map<std::string_view, std::pair<double, double>> by_task;  // right, all
    for (const Group& group : groups) {
      informative += group.is_informative() ? 1 : 0;
      for (const Answer& answer : group.answers) {
        n += 1;
        reward += answer.total;
        accuracy += answer.reward.accuracy;
        format += answer.reward.format;
        ended += answer.rollout.ended ? 1 : 0;
        length += static_cast<double>(answer.rollout.completion.size());
        auto& [right, all] = by_task[group.drawn.task->name];
        right += answer.reward.accuracy;
        all += 1;
        report.n_tokens += static_cast<std::int64_t>(answer.rollout.completion.size());
      }
    }
    const auto n_targets = static_cast<double>(std::max<std::int64_t>(1, stats.n_targets));
    report.figures = {{"reward", reward / n},
                      {"accuracy", accuracy / n},
                      {"format", format / n},
                      {"ended", ended / n},
                      {"length", length / n},
                      {"informative", informative / static_cast<double>(groups.size())},
                      {"entropy", stats.sum_entropy / n_targets},
                      {"gradient_norm", stats.gradient_norm}};
    for (const auto& [task, sums] : by_task)
      report.figures.emplace_back(fmt::format("accuracy_{}", task), sums.first / sums.second);
    for (const Group& group : groups) {
      if (report.sample.size() > 2000) break;
      report.sample += fmt::format(
          "---- {}: {}\n{}\n[reward {:.2f}]\n", group.drawn.task->name, group.drawn.problem.prompt,
          learner_.lessons().written(group.answers.front().rollout.completion), group.answers.front().total);
    }
    return report;
  }

  const StageConfig& config_;
  Learner& learner_;
  int n_workers_;
  std::unique_ptr<TrainedModel> reference_;
  std::vector<float> reference_numbers_;
};

}  // namespace

std::unique_ptr<StageSteps> make_grpo_steps(const StageConfig& config, Learner& learner, int n_workers) {
  return std::make_unique<GrpoSteps>(config, learner, n_workers);
}

}  // namespace r1
