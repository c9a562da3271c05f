// evaluate.h: how often a model is right: held-out problems, several answers each.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "train/lessons.h"
#include "train/rollouts.h"

namespace r1 {

struct EvalConfig {
  Split split = Split::kTest;
  int n_problems = 100;   // of each task: 0 to n - 1 of the split
  int n_samples = 8;      // answers to each
  float temperature = 1;  // 0: greedy, for which one sample is enough
  int max_tokens = 256;
  std::uint64_t seed = 1;
};

struct TaskScore {
  const Task* task = nullptr;
  double pass_at_1 = 0;       // mean over problems of the share of right answers
  double standard_error = 0;  // over problems
  double pass_at_n = 0;       // share of problems with a right answer among the samples
  double majority = 0;        // cons@n: share of problems whose most frequent final answer is right
  double format = 0, ended = 0, mean_length = 0;
};

// The numbers of one task as a JSON object, all tasks as an array: what `r1 train eval --json` prints.
std::string scores_json(const std::vector<TaskScore>& scores);

// Of a checkpoint; no tasks: all there are.
Result<std::vector<TaskScore>> evaluate_checkpoint(const std::string& path, int n_workers, const EvalConfig& config,
                                                   std::vector<const Task*> tasks);

// `options.end_ids` must be the tokenizer's.
Result<std::vector<TaskScore>> evaluate(const Model& model, const LessonWriter& lessons, const RolloutOptions& options,
                                        const EvalConfig& config, std::span<const Task* const> tasks);

}  // namespace r1
