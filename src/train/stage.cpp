// stage.cpp: the loop that all stages share; what a step is, differs.
#include "train/stage.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "train/stage_steps.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Where a stage is; all of it goes into the checkpoint.
struct Position {
  int step = 0;
  std::int64_t n_tokens = 0;
  double seconds = 0;
  // What follows in the journals was written after the checkpoint, by a run that died.
  std::int64_t metrics_bytes = 0, samples_bytes = 0, traces_bytes = 0;
  std::string steps = "{}";  // the kind's own
};

std::string to_json(const Position& p, const std::string& config) {
  return OrderedJson{{"step", p.step},
                     {"tokens", p.n_tokens},
                     {"seconds", p.seconds},
                     {"metrics_bytes", p.metrics_bytes},
                     {"samples_bytes", p.samples_bytes},
                     {"traces_bytes", p.traces_bytes},
                     {"steps", OrderedJson::parse(p.steps)},
                     {"config", config}}
      .dump();
}

Result<Position> position_from(const std::string& json, const StageRun& run) {
  R1_TRY(const Json parsed, parse_json(json, "a checkpoint's progress"));
  R1_TRY(const std::string config, json_string(parsed, "config", ""));
  if (config != run.config_text) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("the run in '{}' was begun with another configuration: give it another folder, or that "
                             "configuration again",
                             run.folder)};
  }
  Position p;
  R1_TRY(const std::int64_t step, json_int(parsed, "step", 0));
  p.step = static_cast<int>(step);
  R1_TRY(p.n_tokens, json_int(parsed, "tokens", 0));
  R1_TRY(p.seconds, json_number(parsed, "seconds", 0));
  R1_TRY(p.metrics_bytes, json_int(parsed, "metrics_bytes", 0));
  R1_TRY(p.samples_bytes, json_int(parsed, "samples_bytes", 0));
  R1_TRY(p.traces_bytes, json_int(parsed, "traces_bytes", 0));
  p.steps = parsed.value("steps", Json::object()).dump();
  return p;
}

// A text file that a run adds to.
class Journal {
 public:
  static Result<Journal> open(std::string path, std::int64_t keep_bytes) {
    std::error_code error;
    if (file_exists(path)) {
      // Shorter than it was: somebody cut it; what is left is kept.
      keep_bytes = std::min(keep_bytes, static_cast<std::int64_t>(std::filesystem::file_size(path, error)));
      if (!error) std::filesystem::resize_file(path, static_cast<std::uintmax_t>(keep_bytes), error);
    } else {
      keep_bytes = 0;
    }
    Journal journal(path, keep_bytes);
    if (error || !journal.out_) {
      return Error{ErrorCode::kIo,
                   fmt::format("'{}' can't be written: {}", path, error ? error.message() : "not opened")};
    }
    return journal;
  }
  Status write(std::string_view text) {
    out_ << text << std::flush;
    if (!out_) return Error{ErrorCode::kIo, fmt::format("'{}' can't be written: is the disk full?", path_)};
    n_bytes_ += static_cast<std::int64_t>(text.size());
    return {};
  }
  std::int64_t n_bytes() const { return n_bytes_; }

 private:
  Journal(std::string path, std::int64_t n_bytes)
      : path_(std::move(path)), out_(path_, std::ios::app | std::ios::binary), n_bytes_(n_bytes) {}
  std::string path_;
  std::ofstream out_;
  std::int64_t n_bytes_;
};

struct Stage {
  const StageRun& run;
  Learner& learner;
  StageSteps& steps;
  Position position;
  Journal metrics, samples, traces;

  Status save() {
    position.metrics_bytes = metrics.n_bytes();
    position.samples_bytes = samples.n_bytes();
    position.traces_bytes = traces.n_bytes();
    position.steps = steps.state();
    Checkpoint checkpoint = learner.checkpoint(to_json(position, run.config_text));
    steps.add_arrays(checkpoint);
    return save_checkpoint(checkpoint, checkpoint_path(run.folder));
  }

  Status report(const StepReport& step, double seconds) {
    const StageConfig& c = run.config;
    const bool is_last = position.step == c.n_steps;
    if (position.step % c.log_every == 0 || position.step == 1 || is_last) {
      OrderedJson line = {{"step", position.step}, {"tokens", position.n_tokens}, {"seconds", position.seconds}};
      for (const auto& [name, value] : step.figures) line[name] = value;
      R1_TRY_STATUS(metrics.write(line.dump() + "\n"));
    }
    if (!step.sample.empty() && (position.step % c.sample_every == 0 || is_last)) {
      R1_TRY_STATUS(samples.write(fmt::format("==== step {}\n{}\n", position.step, step.sample)));
    }
    std::string summary;
    for (const auto& [name, value] : step.figures)
      summary += fmt::format("{}{} {:.4g}", summary.empty() ? "" : ", ", name, value);
    run.on_progress({.stage = to_string(c.kind),
                     .step = position.step,
                     .n_steps = c.n_steps,
                     .tokens_per_second = static_cast<double>(step.n_tokens) / seconds,
                     .seconds_left = position.seconds / position.step * (c.n_steps - position.step),
                     .summary = summary});
    return {};
  }

  Result<bool> work() {
    Clock::time_point saved = Clock::now();
    while (position.step < run.config.n_steps) {
      if (run.is_stopped()) {
        R1_TRY_STATUS(save());
        return false;
      }
      const Clock::time_point start = Clock::now();
      R1_TRY(const StepReport step, steps.step(position.step));
      const double seconds = seconds_since(start);
      ++position.step;
      position.n_tokens += step.n_tokens;
      position.seconds += seconds;
      R1_TRY_STATUS(report(step, seconds));
      if (!step.traces.empty()) R1_TRY_STATUS(traces.write(step.traces));
      if (seconds_since(saved) >= run.config.save_every_seconds) {
        R1_TRY_STATUS(save());
        saved = Clock::now();
      }
    }
    R1_TRY_STATUS(save());
    return true;
  }
};

}  // namespace

std::string checkpoint_path(const std::string& folder) { return folder + "/checkpoint.r1train"; }
std::string traces_path(const std::string& folder) { return folder + "/traces.jsonl"; }

Result<bool> run_stage(const StageRun& run) {
  std::error_code error;
  std::filesystem::create_directories(run.folder, error);
  if (error) return Error{ErrorCode::kIo, fmt::format("folder '{}' can't be made: {}", run.folder, error.message())};
  R1_TRY(const std::unique_ptr<Learner> learner, Learner::make(run.config, run.n_workers));
  R1_TRY(const std::unique_ptr<StageSteps> steps, make_steps(run.config, *learner, run.n_workers));
  Position position;
  if (file_exists(checkpoint_path(run.folder))) {
    R1_TRY(const Checkpoint checkpoint, load_checkpoint(checkpoint_path(run.folder)));
    R1_TRY(const std::string progress, learner->restore(checkpoint));
    R1_TRY(position, position_from(progress, run));
    R1_TRY_STATUS(steps->restore(position.steps, checkpoint));
  }
  if (position.step >= run.config.n_steps) return true;
  R1_TRY(Journal metrics, Journal::open(run.folder + "/metrics.jsonl", position.metrics_bytes));
  R1_TRY(Journal samples, Journal::open(run.folder + "/samples.txt", position.samples_bytes));
  R1_TRY(Journal traces, Journal::open(traces_path(run.folder), position.traces_bytes));
  Stage stage{run, *learner, *steps, position, std::move(metrics), std::move(samples), std::move(traces)};
  return stage.work();
}

}  // namespace r1
