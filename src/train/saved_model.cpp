// saved_model.cpp: numbers by name, adapters on top of a base that is read the same way.
#include "train/saved_model.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/sha256.h"
#include "train/checkpoint.h"
#include "train/shapes.h"

namespace r1 {
namespace {

constexpr int kMostBases = 16;  // adapters on top of adapters: more is a circle

std::string sha256_of(std::span<const float> values) {
  const std::span<const std::byte> bytes = std::as_bytes(values);
  Hasher hasher(HashKind::kSha256, static_cast<std::int64_t>(bytes.size()));
  hasher.update(bytes);
  return hasher.finish().hex;
}

Result<LoraConfig> parse_lora(const Json& json) {
  LoraConfig config;
  R1_TRY(const std::int64_t rank, json_int(json, "rank", 0));
  R1_TRY(const double alpha, json_number(json, "alpha", 0));
  config.rank = static_cast<int>(rank);
  config.alpha = static_cast<float>(alpha);
  for (const Json& target : json.value("targets", Json::array())) {
    if (target.is_string()) config.targets.push_back(target.get<std::string>());
  }
  if (rank < 1 || rank > (1 << 20)) return Error{ErrorCode::kInvalidInput, "adapters without a rank"};
  return config;
}

Result<SavedModel> load(const std::string& path, int n_bases);

// The base's numbers, to which the adapters are added.
Result<std::vector<float>> merged(const Json& state, const std::vector<float>& numbers, const SavedModel& saved,
                                  int n_bases) {
  R1_TRY(const LoraConfig config, parse_lora(state["lora"]));
  const Json base_state = state.value("base", Json::object());
  R1_TRY(const std::string base_path, json_string(base_state, "path", ""));
  R1_TRY(const std::string sha256, json_string(base_state, "sha256", ""));
  auto base = load(base_path, n_bases + 1);
  if (!base.ok()) return with_context(std::move(base).error(), "what the adapters are to be added to");
  if (sha256_of(base.value().values) != sha256) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("the adapters are of '{}' as it was: its numbers have changed since", base_path)};
  }
  R1_TRY(const ModelConfig shape, trained_shape(saved.shape, static_cast<int>(saved.vocabulary.tokens.size())));
  TrainedModel model(shape, 0);
  if (base.value().values.size() != model.values().size()) {
    return Error{ErrorCode::kInvalidInput, fmt::format("'{}' is of another shape than the adapters", base_path)};
  }
  std::copy(base.value().values.begin(), base.value().values.end(), model.values().begin());
  R1_TRY_STATUS(model.add_adapters(config, 0));
  if (numbers.size() != model.trained_values().size()) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("{} numbers of adapters, {} wanted", numbers.size(), model.trained_values().size())};
  }
  std::copy(numbers.begin(), numbers.end(), model.trained_values().begin());
  ThreadPool pool(1);
  model.merge_adapters(pool);
  return std::vector<float>(model.values().begin(), model.values().end());
}

Result<SavedModel> load(const std::string& path, int n_bases) {
  if (n_bases > kMostBases) {
    return Error{ErrorCode::kInvalidInput, fmt::format("'{}': adapters on adapters, more than {}", path, kMostBases)};
  }
  R1_TRY(Checkpoint checkpoint, load_checkpoint(path));
  R1_TRY(const Json state, parse_json(checkpoint.state, path));
  SavedModel saved;
  R1_TRY(saved.shape, json_string(state, "shape", ""));
  R1_TRY(saved.vocabulary, parse_vocabulary(state.value("vocabulary", Json::object()).dump(), path));
  if (!state.contains("lora")) {
    saved.values = std::move(checkpoint.arrays["values"]);
    return saved;
  }
  auto values = merged(state, checkpoint.arrays["lora"], saved, n_bases);
  if (!values.ok()) return with_context(std::move(values).error(), fmt::format("checkpoint '{}'", path));
  saved.values = std::move(values).value();
  return saved;
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

Result<SavedModel> load_saved_model(const std::string& path) { return load(path, 0); }

Status save_model(const SavedModel& model, const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.state =
      OrderedJson{{"shape", model.shape}, {"vocabulary", OrderedJson::parse(vocabulary_json(model.vocabulary))}}.dump();
  checkpoint.arrays = {{"values", model.values}};
  return save_checkpoint(checkpoint, path);
}

std::string base_json(const std::string& base_path, std::span<const float> base_values) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(base_path, error);
  return OrderedJson{{"path", error ? base_path : whole.lexically_normal().string()},
                     {"sha256", sha256_of(base_values)}}
      .dump();
}

std::string lora_json(const LoraConfig& config) {
  return OrderedJson{{"rank", config.rank}, {"alpha", config.alpha}, {"targets", config.targets}}.dump();
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
