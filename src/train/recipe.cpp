// recipe.cpp: stages in order, each in its folder.
#include "train/recipe.h"

#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "tasks/registry.h"
#include "train/evaluate.h"
#include "train/learner.h"
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

Result<EvalConfig> read_eval(const Json& c) {
  EvalConfig eval;
  R1_TRY(const std::string split, json_string(c, "split", "test"));
  const auto named = split_named(split);
  if (!named) return Error{ErrorCode::kInvalidInput, fmt::format("no split '{}'", split)};
  eval.split = *named;
  R1_TRY(const std::int64_t n_problems, json_int(c, "problems", eval.n_problems));
  R1_TRY(const std::int64_t n_samples, json_int(c, "samples", eval.n_samples));
  R1_TRY(const std::int64_t max_tokens, json_int(c, "max_tokens", eval.max_tokens));
  R1_TRY(const double temperature, json_number(c, "temperature", eval.temperature));
  constexpr std::int64_t kMost = 1'000'000;
  if (std::min({n_problems, n_samples, max_tokens}) < 1 || std::max({n_problems, n_samples, max_tokens}) > kMost ||
      !(temperature >= 0)) {
    return Error{ErrorCode::kInvalidInput,
                 "problems, samples and max_tokens must be 1 to 1000000, temperature at least 0"};
  }
  eval.n_problems = static_cast<int>(n_problems);
  eval.n_samples = static_cast<int>(n_samples);
  eval.max_tokens = static_cast<int>(max_tokens);
  eval.temperature = static_cast<float>(temperature);
  return eval;
}

Result<std::vector<const Task*>> read_tasks(const Json& c) {
  std::vector<const Task*> tasks;
  for (const Json& name : c.value("tasks", Json::array())) {
    if (!name.is_string()) return Error{ErrorCode::kInvalidInput, "tasks must be names"};
    R1_TRY(const Task* task, find_task(name.get<std::string>()));
    tasks.push_back(task);
  }
  return tasks;
}

Status check_stage(const RecipeStage& stage) {
  R1_TRY(const Json config, parse_json(stage.config, stage.name));
  if (stage.kind == "eval") {
    R1_TRY_STATUS(read_eval(config));
    R1_TRY_STATUS(read_tasks(config));
    return {};
  }
  if (stage.kind == "tokenizer" || stage.kind == "export" || stage.kind == "import") return {};
  R1_TRY(const StageKind kind, stage_named(stage.kind));
  R1_TRY_STATUS(read_stage_config(kind, stage.config, stage.name));
  return {};
}

Status make_tokenizer(const Json& config, const std::string& folder) {
  R1_TRY(const std::int64_t vocab, json_int(config, "vocab", 1024));
  R1_TRY(const std::int64_t problems, json_int(config, "problems", 2000));
  if (vocab < 1 || vocab > 65536 || problems < 1 || problems > 1'000'000) {
    return Error{ErrorCode::kInvalidInput, "vocab must be 1 to 65536, problems 1 to 1000000"};
  }
  R1_TRY(const Vocabulary vocabulary,
         train_task_vocabulary(static_cast<int>(vocab), static_cast<std::uint64_t>(problems)));
  return write_file_atomically(vocabulary_path(folder), vocabulary_json(vocabulary) + "\n");
}

Status make_scores(const Json& config, const std::string& folder, int n_workers) {
  R1_TRY(const std::string from, json_string(config, "from", ""));
  R1_TRY(const EvalConfig eval, read_eval(config));
  R1_TRY(std::vector<const Task*> tasks, read_tasks(config));
  R1_TRY(const std::vector<TaskScore> scores, evaluate_checkpoint(from, n_workers, eval, std::move(tasks)));
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

Result<bool> run_one(const RecipeRun& run, const RecipeStage& stage, const std::string& folder) {
  R1_TRY(const Json config, parse_json(stage.config, stage.name));
  if (stage.kind == "tokenizer") {
    R1_TRY_STATUS(make_tokenizer(config, folder));
    return true;
  }
  if (stage.kind == "eval") {
    R1_TRY_STATUS(make_scores(config, folder, run.n_workers));
    return true;
  }
  if (stage.kind == "import") {
    R1_TRY(const std::string model, json_string(config, "model", ""));
    R1_TRY(const std::string shape, json_string(config, "shape", ""));
    R1_TRY_STATUS(run.read_model(model, product_of(stage, folder), shape));
    return true;
  }
  if (stage.kind == "export") {
    R1_TRY(const std::string from, json_string(config, "from", ""));
    R1_TRY(const std::string type, json_string(config, "type", "q8_0"));
    R1_TRY_STATUS(run.write_model(from, product_of(stage, folder), type));
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

}  // namespace

Result<Recipe> read_recipe(std::string_view json, std::string_view what, const std::string& folder) {
  R1_TRY(const Json checked, parse_json(json, what, {.max_depth = 8, .max_bytes = 1 << 20}));
  const OrderedJson parsed = OrderedJson::parse(json);
  Recipe recipe;
  R1_TRY(recipe.name, json_string(checked, "name", ""));
  std::set<std::string> earlier;
  for (const OrderedJson& one : parsed.value("stages", OrderedJson::array())) {
    RecipeStage stage{one.value("name", ""), one.value("stage", ""), ""};
    OrderedJson config = one.value("config", OrderedJson::object());
    const bool is_plain = !stage.name.empty() &&
                          stage.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
    if (!is_plain || earlier.contains(stage.name)) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("{}: '{}' is no name for a stage, or is taken: a-z, 0-9 and -", what, stage.name)};
    }
    Status status = resolve(config, earlier, folder);
    stage.config = config.dump();
    if (status.ok()) status = check_stage(stage);
    if (!status.ok()) return with_context(status.error(), fmt::format("{}: stage '{}'", what, stage.name));
    earlier.insert(stage.name);
    recipe.stages.push_back(std::move(stage));
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
