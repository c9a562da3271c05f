// recipe_config.cpp: keys to fields, as in stage_config.cpp.
#include "train/recipe_config.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tasks/registry.h"
#include "train/bpe_trainer.h"
#include "train/config_keys.h"
#include "train/trained_file_type.h"

namespace r1 {
namespace {

void required(ConfigKeys& keys, std::string_view key, std::string& field) {
  keys.text(key, field);
  if (field.empty()) keys.fail(fmt::format("{} is missing", key));
}

void read_split(ConfigKeys& keys, Split& split) {
  std::string name;
  keys.text("split", name);
  if (name.empty()) return;
  const auto named = split_named(name);
  if (!named) return keys.fail(fmt::format("no split '{}'", name));
  split = *named;
}

void read_task_names(ConfigKeys& keys, std::vector<const Task*>& tasks) {
  const Json* names = keys.find("tasks");
  if (names == nullptr) return;
  if (!names->is_array()) return keys.fail("tasks must be an array of names");
  for (const Json& name : *names) {
    if (!name.is_string()) return keys.fail("tasks must be names");
    const auto task = find_task(name.get<std::string>());
    if (!task.ok()) return keys.fail(task.error().message);
    tasks.push_back(task.value());
  }
}

}  // namespace

Result<VocabularyStage> read_vocabulary_stage(std::string_view json) {
  R1_TRY(const Json config, parse_json(json, "config"));
  ConfigKeys keys(config, "");
  VocabularyStage stage;
  const auto n_least = static_cast<double>(r1_special_tokens().size() + 256);  // and all bytes
  keys.number("vocab", stage.vocab, n_least, 65536);
  keys.number("problems", stage.problems, 1, 1'000'000);
  R1_TRY_STATUS(keys.finish());
  return stage;
}

Result<EvalStage> read_eval_stage(std::string_view json) {
  R1_TRY(const Json config, parse_json(json, "config"));
  ConfigKeys keys(config, "");
  EvalStage stage;
  constexpr double kMost = 1'000'000;
  required(keys, "from", stage.from);
  read_split(keys, stage.eval.split);
  keys.number("problems", stage.eval.n_problems, 1, kMost);
  keys.number("samples", stage.eval.n_samples, 1, kMost);
  keys.number("max_tokens", stage.eval.max_tokens, 1, kMost);
  keys.number("temperature", stage.eval.temperature, 0, 10);
  keys.number("seed", stage.eval.seed, 0, 1e15);
  read_task_names(keys, stage.tasks);
  R1_TRY_STATUS(keys.finish());
  return stage;
}

Result<ExportStage> read_export_stage(std::string_view json) {
  R1_TRY(const Json config, parse_json(json, "config"));
  ConfigKeys keys(config, "");
  ExportStage stage;
  required(keys, "from", stage.from);
  keys.text("type", stage.type);
  R1_TRY_STATUS(keys.finish());
  R1_TRY_STATUS(trained_file_type(stage.type));
  return stage;
}

Result<ImportStage> read_import_stage(std::string_view json) {
  R1_TRY(const Json config, parse_json(json, "config"));
  ConfigKeys keys(config, "");
  ImportStage stage;
  required(keys, "model", stage.model);
  keys.text("shape", stage.shape);
  R1_TRY_STATUS(keys.finish());
  return stage;
}

}  // namespace r1
