// learner.cpp: shape, vocabulary and numbers put together.
#include "train/learner.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "train/shapes.h"

namespace r1 {
namespace {

constexpr std::int64_t kMaxVocabularyBytes = std::int64_t{64} << 20;

Result<ChatTemplate> template_of(const Tokenizer& tokenizer) { return ChatTemplate::detect("", tokenizer); }

Status copy_array(const Checkpoint& checkpoint, const std::string& name, std::span<float> into) {
  const auto found = checkpoint.arrays.find(name);
  const std::size_t n = found == checkpoint.arrays.end() ? 0 : found->second.size();
  if (n != into.size()) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("the checkpoint has {} numbers in '{}', the model {}", n, name, into.size())};
  }
  std::copy(found->second.begin(), found->second.end(), into.begin());
  return {};
}

Result<Vocabulary> vocabulary_for(const StageConfig& config) {
  if (!config.from.empty()) {
    R1_TRY(SavedModel saved, load_saved_model(config.from));
    return std::move(saved.vocabulary);
  }
  R1_TRY(const std::string text, read_file(config.tokenizer, kMaxVocabularyBytes));
  return parse_vocabulary(text, config.tokenizer);
}

}  // namespace

// What a learner is made of.
struct Learner::Parts {
  Vocabulary vocabulary;
  Tokenizer tokenizer;
  TrainedModel model;
  std::string base;
  std::unique_ptr<RestoredModel> teacher;
};

namespace {

TrainerConfig trainer_config(const StageConfig& config, int n_workers, const RestoredModel* teacher) {
  return {.n_workers = n_workers,
          .n_shares = config.n_shares,
          .rows_at_once = config.rows_at_once,
          .optimizer = config.optimizer,
          .weights = config.weights,
          .rounding_seed = config.seed,
          .balance_alpha = static_cast<float>(config.balance_alpha),
          .teacher = teacher == nullptr ? nullptr : &teacher->model.model(),
          .recompute = config.recompute};
}

Result<TrainedModel> model_for(const StageConfig& config, const ModelConfig& shape, const SavedModel* saved) {
  TrainedModel model(shape, config.seed);
  if (saved == nullptr) return model;
  if (saved->values.size() != model.values().size()) {
    return Error{ErrorCode::kInvalidInput, fmt::format("checkpoint '{}' has {} numbers, shape {} {}", config.from,
                                                       saved->values.size(), saved->shape, model.values().size())};
  }
  std::copy(saved->values.begin(), saved->values.end(), model.values().begin());
  return model;
}

// Nothing without one. It must speak of the student's tokens.
Result<std::unique_ptr<RestoredModel>> teacher_for(const StageConfig& config, const Vocabulary& vocabulary) {
  if (config.teacher.empty()) return std::unique_ptr<RestoredModel>();
  auto teacher = restore_model(config.teacher);
  if (!teacher.ok()) return with_context(std::move(teacher).error(), "teacher");
  if (teacher.value().vocabulary.tokens != vocabulary.tokens) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("teacher '{}' has another vocabulary than the student", config.teacher)};
  }
  return std::make_unique<RestoredModel>(std::move(teacher).value());
}

// The base of adapters as a checkpoint knows it, and as it is; its path may be another.
Status same_base(const Json& then, const Json& now) {
  R1_TRY(const std::string was, json_string(then, "sha256", ""));
  R1_TRY(const std::string is, json_string(now, "sha256", ""));
  R1_TRY(const std::string path, json_string(now, "path", ""));
  if (was == is) return {};
  return Error{ErrorCode::kInvalidInput,
               fmt::format("the run's adapters are of '{}' as it was: its numbers have changed since", path)};
}

}  // namespace

Learner::Learner(const StageConfig& config, int n_workers, Parts parts)
    : shape_name_(parts.model.config().name),
      base_(std::move(parts.base)),
      vocabulary_(std::move(parts.vocabulary)),
      tokenizer_(std::move(parts.tokenizer)),
      template_(template_of(tokenizer_).value()),
      lessons_(tokenizer_, template_),
      model_(std::move(parts.model)),
      teacher_(std::move(parts.teacher)),
      trainer_(model_, trainer_config(config, n_workers, teacher_.get())) {}

Result<std::unique_ptr<Learner>> Learner::make(const StageConfig& config, int n_workers) {
  R1_TRY(Vocabulary vocabulary, vocabulary_for(config));
  std::optional<SavedModel> saved;
  if (!config.from.empty()) {
    R1_TRY(saved, load_saved_model(config.from));
  }
  R1_TRY(Tokenizer tokenizer, Tokenizer::from_vocabulary(vocabulary));
  R1_TRY(const ModelConfig shape, trained_shape(saved ? saved->shape : config.shape, tokenizer.vocab_size()));
  if (std::max(config.mtp_weight, config.last_mtp_weight) > 0 && shape.n_mtp_layers == 0) {
    return Error{
        ErrorCode::kInvalidInput,
        fmt::format("mtp_weight is above 0, but shape {} has no layer for it; {}+mtp has", shape.name, shape.name)};
  }
  const auto family = template_of(tokenizer);
  if (!family.ok() || family.value().family() != TemplateFamily::kDeepSeekR1) {
    return Error{ErrorCode::kInvalidInput, "the vocabulary lacks R1's control tokens, by which dialogues are written"};
  }
  R1_TRY(std::unique_ptr<RestoredModel> teacher, teacher_for(config, vocabulary));
  R1_TRY(TrainedModel model, model_for(config, shape, saved ? &*saved : nullptr));
  std::string base;
  if (config.lora.is_on()) {
    base = base_json(config.from, model.values());
    R1_TRY_STATUS(model.add_adapters(config.lora, config.seed));
  }
  return std::unique_ptr<Learner>(new Learner(
      config, n_workers,
      {std::move(vocabulary), std::move(tokenizer), std::move(model), std::move(base), std::move(teacher)}));
}

Checkpoint Learner::checkpoint(const std::string& progress) {
  Checkpoint checkpoint;
  OrderedJson state = {{"shape", shape_name_},
                       {"updates", trainer_.optimizer().n_steps()},
                       {"progress", OrderedJson::parse(progress)},
                       {"vocabulary", OrderedJson::parse(vocabulary_json(vocabulary_))}};
  if (model_.lora() != nullptr) {
    state["lora"] = OrderedJson::parse(lora_json(model_.lora()->config()));
    state["base"] = OrderedJson::parse(base_);
  }
  checkpoint.state = state.dump();
  const auto copy = [](std::span<const float> values) { return std::vector<float>(values.begin(), values.end()); };
  checkpoint.arrays = {{numbers_name(), copy(numbers())},
                       {"m", copy(trainer_.optimizer().first_moments())},
                       {"v", copy(trainer_.optimizer().second_moments())}};
  return checkpoint;
}

Result<std::string> Learner::restore(const Checkpoint& checkpoint) {
  R1_TRY(const Json state, parse_json(checkpoint.state, "a checkpoint's state"));
  R1_TRY(const std::string shape, json_string(state, "shape", ""));
  if (shape != shape_name_) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("the checkpoint is of shape '{}', the stage of '{}'", shape, shape_name_)};
  }
  if (model_.lora() != nullptr) R1_TRY_STATUS(same_base(state.value("base", Json::object()), Json::parse(base_)));
  R1_TRY_STATUS(copy_array(checkpoint, numbers_name(), numbers()));
  model_.merge_adapters(trainer_.pool());
  R1_TRY_STATUS(copy_array(checkpoint, "m", trainer_.optimizer().first_moments()));
  R1_TRY_STATUS(copy_array(checkpoint, "v", trainer_.optimizer().second_moments()));
  R1_TRY(const std::int64_t n_updates, json_int(state, "updates", 0));
  trainer_.optimizer().set_n_steps(n_updates);
  return state.value("progress", Json::object()).dump();
}

}  // namespace r1
