// cmd_recipe.cpp: `r1 recipe`: a whole chain of training, restartable at any point.
#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/standard_streams.h"
#include "apps/store.h"
#include "apps/train_progress.h"
#include "apps/trained_export.h"
#include "apps/trained_import.h"
#include "base/cores.h"
#include "base/file.h"
#include "train/recipe.h"

namespace r1 {
namespace {

constexpr std::int64_t kMaxRecipeBytes = 1 << 20;

struct RecipeOptions {
  std::string name, folder;
  int n_workers = 0;  // 0: all cores
  bool print = false;
};

Result<std::string> recipe_text(const std::string& name) {
  if (name.ends_with(".json")) return read_file(name, kMaxRecipeBytes);
  R1_TRY(const std::string_view text, built_in_recipe(name));
  return std::string(text);
}

Status read_model(const std::string& model, const std::string& checkpoint, const std::string& shape) {
  R1_TRY(const std::string path, resolve_model(model));
  return import_trained(path, checkpoint, shape);
}

Status run(const RecipeOptions& options) {
  R1_TRY(const std::string text, recipe_text(options.name));
  if (options.print) return write_stdout(text);
  if (options.folder.empty()) return Error{ErrorCode::kInvalidInput, "a recipe needs a folder to work in: --run DIR"};
  R1_TRY(const Recipe recipe, read_recipe(text, options.name, options.folder));
  const InterruptScope interrupt;
  const auto is_stopped = [&] { return interrupt.pressed(); };
  const auto on_stage = [](const RecipeStage& stage, bool was_complete) {
    fmt::print(stderr, "== {} ({}){}\n", stage.name, stage.kind, was_complete ? ": done before" : "");
  };
  R1_TRY(const bool complete,
         run_recipe({.recipe = recipe,
                     .folder = options.folder,
                     .n_workers = options.n_workers > 0 ? options.n_workers : n_usable_cores(),
                     .is_stopped = is_stopped,
                     .on_stage = on_stage,
                     .on_progress = [](const StageProgress& p) { print_progress(p); },
                     .write_model = [](const std::string& checkpoint, const std::string& gguf,
                                       const std::string& type) { return export_trained(checkpoint, gguf, type); },
                     .read_model = [](const std::string& model, const std::string& checkpoint,
                                      const std::string& shape) { return read_model(model, checkpoint, shape); }}));
  fmt::print(stderr, "{}\n", complete ? "complete" : "stopped; the same command goes on from here");
  return {};
}

}  // namespace

void add_recipe(CLI::App& app, Action& action) {
  auto options = std::make_shared<RecipeOptions>();
  CLI::App* recipe =
      app.add_subcommand("recipe", "R1's recipe in small: every stage from random weights to a model file");
  recipe->add_option("NAME", options->name, "nano, nano-ci, or a .json file")->required();
  recipe->add_option("--run", options->folder, "folder of the run; one that was begun goes on");
  recipe->add_option("--workers", options->n_workers, "cores; changes no result")->check(CLI::Range(1, 1024));
  recipe->add_flag("--print", options->print, "print the recipe and do nothing");
  recipe->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace r1
