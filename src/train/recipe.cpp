// recipe.cpp: stages in order, each in its folder.
#include "train/recipe.h"

#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "train/learner.h"
#include "train/recipe_config.h"
#include "train/tokenizer_corpus.h"

namespace r1 {
namespace {

std::string vocabulary_path(const std::string& folder) { return folder + "/vocabulary.json"; }

// What "@NAME" stands for under a key.
Result<std::string> refer(std::string_view key, const std::string& folder) {
  if (key == "from" || key == "teacher") return checkpoint_path(folder);
  if (key == "tokenizer") return vocabulary_path(folder);
  if (key == "traces") return traces_path(folder);
  return Error{ErrorCode::kInvalidInput, fmt::format("'{}' can't refer to another stage", key)};
}

Status resolve(OrderedJson& config, const std::set<std::string>& earlier, const std::string& folder) {
  if (!config.is_object()) return Error{ErrorCode::kInvalidInput, "config must be an object"};
  for (auto& [key, value] : config.items()) {
    if (!value.is_string()) continue;
    const auto text = value.get<std::string>();
    if (!text.starts_with("@")) continue;
    const std::string name = text.substr(1);
    if (!earlier.contains(name)) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("{} refers to stage '{}', which does not come before", key, name)};
    }
    R1_TRY(value, refer(key, folder + "/" + name));
  }
  return {};
}

Status check_stage(const RecipeStage& stage) {
  if (stage.kind == "tokenizer") {
    R1_TRY_STATUS(read_vocabulary_stage(stage.config));
  } else if (stage.kind == "eval") {
    R1_TRY_STATUS(read_eval_stage(stage.config));
  } else if (stage.kind == "import") {
    R1_TRY_STATUS(read_import_stage(stage.config));
  } else if (stage.kind == "export") {
    R1_TRY_STATUS(read_export_stage(stage.config));
  } else {
    R1_TRY(const StageKind kind, stage_named(stage.kind));
    R1_TRY_STATUS(read_stage_config(kind, stage.config, stage.name));
  }
  return {};
}

Status make_vocabulary(const std::string& config, const std::string& folder) {
  R1_TRY(const VocabularyStage stage, read_vocabulary_stage(config));
  R1_TRY(const Vocabulary vocabulary, train_task_vocabulary(stage.vocab, static_cast<std::uint64_t>(stage.problems)));
  return write_file_atomically(vocabulary_path(folder), vocabulary_json(vocabulary) + "\n");
}

Status make_scores(const std::string& config, const std::string& folder, int n_workers) {
  R1_TRY(EvalStage stage, read_eval_stage(config));
  R1_TRY(const std::vector<TaskScore> scores,
         evaluate_checkpoint(stage.from, n_workers, stage.eval, std::move(stage.tasks)));
  return write_file_atomically(folder + "/scores.json", scores_json(scores));
}

// The file whose being there says that the stage is complete; "": the stage knows itself.
std::string product_of(const RecipeStage& stage, const std::string& folder) {
  if (stage.kind == "tokenizer") return vocabulary_path(folder);
  if (stage.kind == "eval") return folder + "/scores.json";
  if (stage.kind == "import") return checkpoint_path(folder);
  if (stage.kind == "export") return folder + "/model.gguf";
  return "";
}

// What is no training: done in one piece.
Status make_product(const RecipeRun& run, const RecipeStage& stage, const std::string& folder) {
  if (stage.kind == "tokenizer") return make_vocabulary(stage.config, folder);
  if (stage.kind == "eval") return make_scores(stage.config, folder, run.n_workers);
  if (stage.kind == "import") {
    R1_TRY(const ImportStage import, read_import_stage(stage.config));
    return run.read_model(import.model, product_of(stage, folder), import.shape);
  }
  R1_TRY(const ExportStage to_export, read_export_stage(stage.config));
  return run.write_model(to_export.from, product_of(stage, folder), to_export.type);
}

Result<bool> run_one(const RecipeRun& run, const RecipeStage& stage, const std::string& folder) {
  if (!product_of(stage, folder).empty()) {
    R1_TRY_STATUS(make_product(run, stage, folder));
    return true;
  }
  R1_TRY(const StageKind kind, stage_named(stage.kind));
  R1_TRY(const StageConfig stage_config, read_stage_config(kind, stage.config, stage.name));
  return run_stage({.config = stage_config,
                    .config_text = stage.config,
                    .folder = folder,
                    .n_workers = run.n_workers,
                    .is_stopped = run.is_stopped,
                    .on_progress = run.on_progress});
}

Result<RecipeStage> read_stage(const OrderedJson& one, const std::set<std::string>& earlier,
                               const std::string& folder) {
  if (!one.is_object()) return Error{ErrorCode::kInvalidInput, fmt::format("a stage is an object, not {}", one.dump())};
  const Json plain = one;
  RecipeStage stage;
  R1_TRY(stage.name, json_string(plain, "name", ""));
  R1_TRY(stage.kind, json_string(plain, "stage", ""));
  const bool is_plain =
      !stage.name.empty() && stage.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  if (!is_plain || earlier.contains(stage.name)) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("'{}' is no name for a stage, or is taken: a-z, 0-9 and -", stage.name)};
  }
  for (const auto& [key, value] : one.items()) {
    if (key == "name" || key == "stage" || key == "config") continue;
    return Error{ErrorCode::kInvalidInput, fmt::format("stage '{}': {} is no key of a stage", stage.name, key)};
  }
  OrderedJson config = one.contains("config") ? one["config"] : OrderedJson::object();
  Status status = resolve(config, earlier, folder);
  stage.config = config.dump();
  if (status.ok()) status = check_stage(stage);
  if (!status.ok()) return with_context(status.error(), fmt::format("stage '{}'", stage.name));
  return stage;
}

}  // namespace

Result<Recipe> read_recipe(std::string_view json, std::string_view what, const std::string& folder) {
  R1_TRY(const Json checked, parse_json(json, what, {.max_depth = 8, .max_bytes = 1 << 20}));
  Recipe recipe;
  R1_TRY(recipe.name, json_string(checked, "name", ""));
  const OrderedJson parsed = OrderedJson::parse(json);
  const auto stages = parsed.find("stages");
  if (stages == parsed.end() || !stages->is_array()) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{}: a recipe has stages, an array", what)};
  }
  std::set<std::string> earlier;
  for (const OrderedJson& one : *stages) {
    auto stage = read_stage(one, earlier, folder);
    if (!stage.ok()) return with_context(std::move(stage).error(), std::string(what));
    earlier.insert(stage.value().name);
    recipe.stages.push_back(std::move(stage).value());
  }
  if (recipe.stages.empty()) return Error{ErrorCode::kInvalidInput, fmt::format("{}: a recipe has stages", what)};
  return recipe;
}

Result<bool> run_recipe(const RecipeRun& run) {
  for (const RecipeStage& stage : run.recipe.stages) {
    if (run.is_stopped()) return false;
    const std::string folder = run.folder + "/" + stage.name, product = product_of(stage, folder);
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return Error{ErrorCode::kIo, fmt::format("folder '{}' can't be made: {}", folder, error.message())};
    const bool is_complete = !product.empty() && file_exists(product);
    run.on_stage(stage, is_complete);
    if (is_complete) continue;
    auto done = run_one(run, stage, folder);
    if (!done.ok()) return with_context(std::move(done).error(), fmt::format("stage '{}'", stage.name));
    if (!done.value()) return false;
  }
  return true;
}

}  // namespace r1
