// recipe_config.h: what the stages of a recipe that are not training may be told. Errors: an unknown key, a wrong type,
// a number out of its bounds, a name that nobody has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "train/evaluate.h"

namespace r1 {

struct VocabularyStage {
  int vocab = 1024;     // tokens
  int problems = 2000;  // of each task, whose texts it is learnt from
};
Result<VocabularyStage> read_vocabulary_stage(std::string_view json);

struct EvalStage {
  std::string from;  // a checkpoint
  EvalConfig eval;
  std::vector<const Task*> tasks;  // none: all
};
Result<EvalStage> read_eval_stage(std::string_view json);

struct ExportStage {
  std::string from;  // a checkpoint
  std::string type = "q8_0";
};
Result<ExportStage> read_export_stage(std::string_view json);

struct ImportStage {
  std::string model;  // a file, or a name in the store
  std::string shape;  // "": found by the model
};
Result<ImportStage> read_import_stage(std::string_view json);

}  // namespace r1
