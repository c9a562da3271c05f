// learner.h: what a stage of training changes, and how it goes to a checkpoint and comes back.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/checkpoint.h"
#include "train/lessons.h"
#include "train/saved_model.h"
#include "train/stage_config.h"
#include "train/trainer.h"

namespace r1 {

class Learner {
 public:
  // By the configuration: random weights of a shape, or the weights of a checkpoint.
  static Result<std::unique_ptr<Learner>> make(const StageConfig& config, int n_workers);

  TrainedModel& model() { return model_; }
  Trainer& trainer() { return trainer_; }
  // What a checkpoint holds of the model: its numbers, or its adapters'.
  std::span<float> numbers() { return model_.lora() != nullptr ? model_.trained_values() : model_.values(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const LessonWriter& lessons() const { return lessons_; }

  // Weights and moments, the shape and the vocabulary; `progress` (JSON) is the stage's own. With adapters: theirs
  // alone, and which checkpoint they are to be added to.
  Checkpoint checkpoint(const std::string& progress);
  // All of that back; `progress` as it was given. An Error when the checkpoint is of another shape.
  Result<std::string> restore(const Checkpoint& checkpoint);

 private:
  struct Parts;
  Learner(const StageConfig& config, int n_workers, Parts parts);

  std::string numbers_name() const { return model_.lora() != nullptr ? "lora" : "values"; }

  std::string shape_name_;
  std::string base_;  // with adapters, of whose weights they are: JSON
  Vocabulary vocabulary_;
  Tokenizer tokenizer_;
  ChatTemplate template_;
  LessonWriter lessons_;
  TrainedModel model_;
  std::unique_ptr<RestoredModel> teacher_;  // null: none
  Trainer trainer_;
};

}  // namespace r1
