// learner.h: what a stage of training changes, and how it goes to a checkpoint and comes back.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/checkpoint.h"
#include "train/lessons.h"
#include "train/stage_config.h"
#include "train/trainer.h"

namespace r1 {

// A vocabulary as JSON: what `r1 train tokenizer` writes and checkpoints carry.
std::string vocabulary_json(const Vocabulary& vocabulary);
Result<Vocabulary> parse_vocabulary(std::string_view json, std::string_view what);

class Learner {
 public:
  // By the configuration: random weights of a shape, or the weights of a checkpoint.
  static Result<std::unique_ptr<Learner>> make(const StageConfig& config, int n_workers);

  TrainedModel& model() { return model_; }
  Trainer& trainer() { return trainer_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const LessonWriter& lessons() const { return lessons_; }

  // Weights and moments, the shape and the vocabulary; `progress` (JSON) is the stage's own.
  Checkpoint checkpoint(const std::string& progress);
  // All of that back; `progress` as it was given. An Error when the checkpoint is of another shape.
  Result<std::string> restore(const Checkpoint& checkpoint);

 private:
  Learner(const StageConfig& config, int n_workers, const ModelConfig& shape, Vocabulary vocabulary,
          Tokenizer tokenizer);

  std::string shape_name_;
  Vocabulary vocabulary_;
  Tokenizer tokenizer_;
  ChatTemplate template_;
  LessonWriter lessons_;
  TrainedModel model_;
  Trainer trainer_;
};

// A finished or running stage's model, for evaluation and export.
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

}  // namespace r1
