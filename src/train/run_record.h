// run_record.h: what a stage, or all stages of a recipe's run, left in their folders, read back for people
// (train/stage.h says what lies there). A run may be writing meanwhile: a line that is not whole yet is left out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "train/svg_chart.h"

namespace r1 {

struct FigureRecord {
  std::string name;                // as in metrics.jsonl
  std::vector<ChartPoint> points;  // x: step
};

struct ScoreRecord {  // a task's line of an evaluation (train/evaluate.h)
  std::string task;
  double pass_at_1 = 0, standard_error = 0, pass_at_n = 0, majority = 0, format = 0, ended = 0, length = 0;
  std::optional<double> random_attempt;
};

struct EvaluationRecord {
  std::string name;  // "" of scores.json, "greedy" of scores-greedy.json
  std::vector<ScoreRecord> scores;
};

struct SampleRecord {
  std::string step, text;
};

struct StageRecord {
  std::string name;  // the folder's
  double step = 0, tokens = 0, seconds = 0;
  std::vector<FigureRecord> figures;  // in order of appearance; thinned evenly where a run has more than 20,000 lines
  std::vector<EvaluationRecord> evaluations;
  std::vector<SampleRecord> samples;  // the first, and the last
  std::vector<std::string> notes;     // what could not be read, and why
};

// `folder` is a stage's, or has stages' folders in it; those come in the order in which they ended: wrote
// their last metric, or scores.
// kNotFound: neither metrics.jsonl nor scores*.json is there.
Result<std::vector<StageRecord>> read_run(const std::string& folder);

}  // namespace r1
