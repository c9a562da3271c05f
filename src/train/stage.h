// stage.h: a stage of training at work in a folder, where it leaves
//   checkpoint.r1train   by which it goes on, after an end of any kind, to the very same bits
//   metrics.jsonl        a line every few steps
//   samples.txt          some of what the model wrote
//   traces.jsonl         of a reject stage: what was kept
#pragma once

#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/result.h"
#include "train/stage_config.h"

namespace r1 {

struct StageProgress {
  std::string_view stage;
  int step = 0, n_steps = 0;
  double tokens_per_second = 0, seconds_left = 0;
  std::string_view summary;  // "loss 1.234, ..."
};

struct StageRun {
  const StageConfig& config;
  std::string config_text;  // as it was read: a folder goes on only under the configuration it was begun with
  std::string folder;
  int n_workers = 1;
  FunctionRef<bool()> is_stopped;  // asked between steps: then the stage saves and ends
  FunctionRef<void(const StageProgress&)> on_progress;
};

// True: the stage is complete (also when it was before); false: it was stopped and can go on.
Result<bool> run_stage(const StageRun& run);

std::string checkpoint_path(const std::string& folder);
std::string traces_path(const std::string& folder);

}  // namespace r1
