// saved_model.h: the model of a finished or running stage, from its checkpoint.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"
#include "train/trained_model.h"

namespace r1 {

// A vocabulary as JSON: what `r1 train tokenizer` writes and checkpoints carry.
std::string vocabulary_json(const Vocabulary& vocabulary);
Result<Vocabulary> parse_vocabulary(std::string_view json, std::string_view what);

// For evaluation and export. Adapters are added to their base, which must be where it was, unchanged.
struct SavedModel {
  std::string shape;
  Vocabulary vocabulary;
  std::vector<float> values;
};
Result<SavedModel> load_saved_model(const std::string& checkpoint_path);
// A checkpoint that stages begin with, `from`; there is nothing in it to go on with.
Status save_model(const SavedModel& model, const std::string& checkpoint_path);

// The same with its weights in place, ready for the forward.
struct RestoredModel {
  Vocabulary vocabulary;
  TrainedModel model;
};
Result<RestoredModel> restore_model(const std::string& checkpoint_path);

// Adapters as a checkpoint's state tells of them (JSON): `base` is the checkpoint that a stage began with, and its
// numbers.
std::string base_json(const std::string& base_path, std::span<const float> base_values);
std::string lora_json(const LoraConfig& config);

}  // namespace r1
