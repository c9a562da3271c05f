// evaluate.cpp: all answers of a task in one round of rollouts, then sums.
#include "train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tasks/registry.h"
#include "train/learner.h"

namespace r1 {
namespace {

// What came of one problem's samples.
struct ProblemScore {
  double n_right = 0;
  bool majority_is_right = false;
};

ProblemScore score_problem(const Task& task, const Problem& problem, const LessonWriter& lessons,
                           std::span<const Rollout> rollouts, TaskScore& sums) {
  ProblemScore score;
  std::map<std::string, std::pair<int, bool>> answers;  // how often, right
  for (const Rollout& rollout : rollouts) {
    const std::string written = lessons.written(rollout.completion);
    const Reward reward = rollout.ended ? task.grade(problem, written) : Reward{};
    score.n_right += reward.accuracy;
    sums.format += reward.format;
    sums.ended += rollout.ended ? 1 : 0;
    sums.mean_length += static_cast<double>(rollout.completion.size());
    const Answered answered = read_answered(written);
    if (!rollout.ended || !answered.has_answer) continue;
    auto& [count, is_right] = answers[std::string(final_answer(answered.answer))];
    ++count;
    is_right = reward.accuracy > 0.5;
  }
  const auto best = std::max_element(answers.begin(), answers.end(),
                                     [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
  score.majority_is_right = best != answers.end() && best->second.second;
  return score;
}

Result<TaskScore> evaluate_task(const Model& model, const LessonWriter& lessons, const RolloutOptions& options,
                                const EvalConfig& config, const Task& task) {
  const int n_samples = config.temperature > 0 ? config.n_samples : 1;
  std::vector<Problem> problems;
  std::vector<RolloutRequest> requests;
  for (int i = 0; i < config.n_problems; ++i) {
    problems.push_back(task.sample(config.split, static_cast<std::uint64_t>(i)));
    Rng seeds(config.seed, static_cast<std::uint64_t>(i));
    const std::vector<int> prompt = lessons.prompt(problems.back());
    for (int sample = 0; sample < n_samples; ++sample) {
      requests.push_back({prompt, seeds.bits(), config.max_tokens, config.temperature});
    }
  }
  R1_TRY(const std::vector<Rollout> rollouts, roll_out(model, options, requests));
  TaskScore score{.task = &task};
  std::vector<double> rates;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const std::span<const Rollout> mine(rollouts.data() + i * static_cast<std::size_t>(n_samples),
                                        static_cast<std::size_t>(n_samples));
    const ProblemScore one = score_problem(task, problems[i], lessons, mine, score);
    rates.push_back(one.n_right / n_samples);
    score.pass_at_n += one.n_right > 0 ? 1 : 0;
    score.majority += one.majority_is_right ? 1 : 0;
  }
  const auto n = static_cast<double>(problems.size());
  double squares = 0;
  for (const double rate : rates) score.pass_at_1 += rate / n;
  for (const double rate : rates) squares += (rate - score.pass_at_1) * (rate - score.pass_at_1);
  score.standard_error = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
  score.pass_at_n /= n;
  score.majority /= n;
  for (double* sum : {&score.format, &score.ended, &score.mean_length}) *sum /= n * n_samples;
  return score;
}

}  // namespace

Result<std::vector<TaskScore>> evaluate(const Model& model, const LessonWriter& lessons, const RolloutOptions& options,
                                        const EvalConfig& config, std::span<const Task* const> tasks) {
  std::vector<TaskScore> scores;
  for (const Task* task : tasks) {
    R1_TRY(const TaskScore score, evaluate_task(model, lessons, options, config, *task));
    scores.push_back(score);
  }
  return scores;
}

std::string scores_json(const std::vector<TaskScore>& scores) {
  OrderedJson all = OrderedJson::array();
  for (const TaskScore& s : scores) {
    const auto chance = s.task->random_attempt_chance;
    all.push_back({{"task", s.task->name},
                   {"pass@1", s.pass_at_1},
                   {"standard_error", s.standard_error},
                   {"pass@n", s.pass_at_n},
                   {"cons@n", s.majority},
                   {"format", s.format},
                   {"ended", s.ended},
                   {"length", s.mean_length},
                   {"random_attempt", chance == nullptr ? OrderedJson() : OrderedJson(chance())}});
  }
  return all.dump(2) + "\n";
}

Result<std::vector<TaskScore>> evaluate_checkpoint(const std::string& path, int n_workers, const EvalConfig& config,
                                                   std::vector<const Task*> tasks) {
  R1_TRY(const RestoredModel restored, restore_model(path));
  R1_TRY(const Tokenizer tokenizer, Tokenizer::from_vocabulary(restored.vocabulary));
  R1_TRY(const ChatTemplate chat_template, ChatTemplate::detect("", tokenizer));
  const LessonWriter lessons(tokenizer, chat_template);
  const std::span<const int> ends = tokenizer.end_ids();
  if (tasks.empty()) tasks.assign(all_tasks().begin(), all_tasks().end());
  return evaluate(restored.model.model(), lessons, {.n_workers = n_workers, .end_ids = {ends.begin(), ends.end()}},
                  config, tasks);
}

}  // namespace r1
