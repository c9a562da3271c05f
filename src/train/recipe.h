// recipe.h: a whole chain of stages, from a vocabulary to a model file: one JSON object, run in one folder, restartable
// at any point.
//
//   {"name": "nano", "stages": [{"name": "pretrain", "stage": "pretrain", "config": {...}}, ...]}
//
// A stage is any of stage_config.h, or "tokenizer", "eval", "import" or "export" of recipe_config.h. It works in a
// folder of its name, inside the run's; what is complete there is not done again. "@NAME" stands for what stage NAME
// left: its checkpoint, vocabulary or traces, after the key in which it stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "train/stage.h"

namespace r1 {

// The recipe of a name, as JSON: "nano" (the 1M twin), "nano-ci". The Error lists them.
Result<std::string_view> built_in_recipe(std::string_view name);

struct RecipeStage {
  std::string name, kind;
  std::string config;  // JSON, references in place
};
struct Recipe {
  std::string name;
  std::vector<RecipeStage> stages;
};
// References become paths inside `folder`. Errors: what is wrong with any stage, before any has begun.
Result<Recipe> read_recipe(std::string_view json, std::string_view what, const std::string& folder);

struct RecipeRun {
  const Recipe& recipe;
  std::string folder;
  int n_workers = 1;
  FunctionRef<bool()> is_stopped;
  FunctionRef<void(const RecipeStage&, bool was_complete)> on_stage;  // before each
  FunctionRef<void(const StageProgress&)> on_progress;
  // Writes a checkpoint's model as a file of a type: how is not this room's business.
  FunctionRef<Status(const std::string& checkpoint, const std::string& gguf, const std::string& type)> write_model;
  // The way back: a model file, or the name of one, as a checkpoint.
  FunctionRef<Status(const std::string& model, const std::string& checkpoint, const std::string& shape)> read_model;
};
// True: all is complete; false: it was stopped and can go on.
Result<bool> run_recipe(const RecipeRun& run);

}  // namespace r1
