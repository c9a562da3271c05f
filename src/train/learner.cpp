// learner.cpp: shape, vocabulary and numbers put together.
#include "train/learner.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/assert.h"
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

std::string vocabulary_json(const Vocabulary& v) {
  Json kinds = Json::array();
  for (const TokenKind kind : v.kinds) kinds.push_back(static_cast<int>(kind));
  return OrderedJson{{"tokens", v.tokens},   {"kinds", kinds},
                     {"merges", v.merges},   {"pre_tokenizer", static_cast<int>(v.pre_tokenizer)},
                     {"add_bos", v.add_bos}, {"bos_id", v.bos_id},
                     {"eos_id", v.eos_id},   {"pad_id", v.pad_id},
                     {"end_ids", v.end_ids}}
      .dump();
}

Result<Vocabulary> parse_vocabulary(std::string_view json, std::string_view what) {
  R1_TRY(const Json parsed, parse_json(json, what));
  const Error broken{ErrorCode::kInvalidInput, fmt::format("{}: not a vocabulary of this program", what)};
  Vocabulary v;
  std::vector<int> kinds;
  int pre_tokenizer = -1;
  try {
    v.tokens = parsed.at("tokens").get<std::vector<std::string>>();
    v.merges = parsed.at("merges").get<std::vector<std::string>>();
    kinds = parsed.at("kinds").get<std::vector<int>>();
    pre_tokenizer = parsed.at("pre_tokenizer").get<int>();
    v.add_bos = parsed.at("add_bos").get<bool>();
    v.bos_id = parsed.at("bos_id").get<int>();
    v.eos_id = parsed.at("eos_id").get<int>();
    v.pad_id = parsed.at("pad_id").get<int>();
    v.end_ids = parsed.at("end_ids").get<std::vector<int>>();
  } catch (const Json::exception& missing) {
    return with_context(Error{ErrorCode::kInvalidInput, missing.what()}, broken.message);
  }
  const auto is_kind = [](int kind) { return kind >= 0 && kind <= static_cast<int>(TokenKind::kByte); };
  if (!std::all_of(kinds.begin(), kinds.end(), is_kind) || pre_tokenizer < 0 ||
      pre_tokenizer >= kPreTokenizerKindCount) {
    return broken;
  }
  for (const int kind : kinds) v.kinds.push_back(static_cast<TokenKind>(kind));
  v.pre_tokenizer = static_cast<PreTokenizerKind>(pre_tokenizer);
  return v;
}

Learner::Learner(const StageConfig& config, int n_workers, const ModelConfig& shape, Vocabulary vocabulary,
                 Tokenizer tokenizer)
    : shape_name_(shape.name),
      vocabulary_(std::move(vocabulary)),
      tokenizer_(std::move(tokenizer)),
      template_(template_of(tokenizer_).value()),
      lessons_(tokenizer_, template_),
      model_(shape, config.seed),
      trainer_(model_, {.n_workers = n_workers,
                        .n_shares = config.n_shares,
                        .rows_at_once = config.rows_at_once,
                        .optimizer = config.optimizer,
                        .balance_alpha = static_cast<float>(config.balance_alpha)}) {}

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
  std::unique_ptr<Learner> learner(new Learner(config, n_workers, shape, std::move(vocabulary), std::move(tokenizer)));
  if (saved) {
    if (saved->values.size() != learner->model_.values().size()) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("checkpoint '{}' has {} numbers, shape {} {}", config.from, saved->values.size(),
                               saved->shape, learner->model_.values().size())};
    }
    std::copy(saved->values.begin(), saved->values.end(), learner->model_.values().begin());
  }
  return learner;
}

Checkpoint Learner::checkpoint(const std::string& progress) {
  Checkpoint checkpoint;
  checkpoint.state = OrderedJson{{"shape", shape_name_},
                                 {"updates", trainer_.optimizer().n_steps()},
                                 {"progress", OrderedJson::parse(progress)},
                                 {"vocabulary", OrderedJson::parse(vocabulary_json(vocabulary_))}}
                         .dump();
  const auto copy = [](std::span<const float> values) { return std::vector<float>(values.begin(), values.end()); };
  checkpoint.arrays = {{"values", copy(model_.values())},
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
  R1_TRY_STATUS(copy_array(checkpoint, "values", model_.values()));
  R1_TRY_STATUS(copy_array(checkpoint, "m", trainer_.optimizer().first_moments()));
  R1_TRY_STATUS(copy_array(checkpoint, "v", trainer_.optimizer().second_moments()));
  R1_TRY(const std::int64_t n_updates, json_int(state, "updates", 0));
  trainer_.optimizer().set_n_steps(n_updates);
  return state.value("progress", Json::object()).dump();
}

Result<SavedModel> load_saved_model(const std::string& path) {
  R1_TRY(Checkpoint checkpoint, load_checkpoint(path));
  R1_TRY(const Json state, parse_json(checkpoint.state, path));
  SavedModel saved;
  R1_TRY(saved.shape, json_string(state, "shape", ""));
  R1_TRY(saved.vocabulary, parse_vocabulary(state.value("vocabulary", Json::object()).dump(), path));
  saved.values = std::move(checkpoint.arrays["values"]);
  return saved;
}

Status save_model(const SavedModel& model, const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.state =
      OrderedJson{{"shape", model.shape}, {"vocabulary", OrderedJson::parse(vocabulary_json(model.vocabulary))}}.dump();
  checkpoint.arrays = {{"values", model.values}};
  return save_checkpoint(checkpoint, path);
}

Result<RestoredModel> restore_model(const std::string& path) {
  R1_TRY(SavedModel saved, load_saved_model(path));
  R1_TRY(const ModelConfig config, trained_shape(saved.shape, static_cast<int>(saved.vocabulary.tokens.size())));
  RestoredModel restored{std::move(saved.vocabulary), TrainedModel(config, 0)};
  if (saved.values.size() != restored.model.values().size()) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("checkpoint '{}' has {} numbers, shape {} {}", path, saved.values.size(), saved.shape,
                             restored.model.values().size())};
  }
  std::copy(saved.values.begin(), saved.values.end(), restored.model.values().begin());
  return restored;
}

}  // namespace r1
