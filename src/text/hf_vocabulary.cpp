// hf_vocabulary.cpp: what is not byte-level BPE with a pre-tokenizer we know is refused by name, never guessed.
#include "text/hf_vocabulary.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

constexpr std::int64_t kFileBytesMax = std::int64_t{256} << 20;
constexpr std::int64_t kIdMax = (1 << 20) - 1;

Error bad_tokenizer_json(std::string message) {
  return {ErrorCode::kInvalidInput, "tokenizer.json: " + std::move(message)};
}
Error unsupported(std::string message) { return {ErrorCode::kUnsupported, "tokenizer.json: " + std::move(message)}; }

const Json kNothing;

const Json& member(const Json& object, std::string_view key) {
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }

// ---- the pre-tokenizer ----------------------------------------------------------------------------------------------

// The steps of a pre-tokenizer in one line each, and which kind they are. A trailing "…" stands for any rest.
struct KnownSteps {
  PreTokenizerKind kind;
  std::vector<std::string_view> steps;
};

const std::vector<KnownSteps>& known_steps() {
  static const std::vector<KnownSteps> known = {
      {PreTokenizerKind::kGpt2, {"ByteLevel words"}},
      {PreTokenizerKind::kSmolLm, {"Digits one by one", "ByteLevel words"}},
      {PreTokenizerKind::kLlama3,
       {R"(Split (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        "ByteLevel"}},
      {PreTokenizerKind::kQwen2,
       {R"(Split (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        "ByteLevel"}},
      {PreTokenizerKind::kDeepSeekV3,
       {R"(Split \p{N}{1,3})", "Split [一-龥\u3040-ゟ゠-ヿ]+",
        "Split [!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
        " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
        "ByteLevel"}},
      {PreTokenizerKind::kDeepSeekLlm,
       {"Split [\r\n]", R"(Split \s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ…)", R"(Split \s?[!-/:-~！-／：-～‘-‟　-。]+)", R"(Split \s+$)",
        "Split [一-龥ࠀ-一가-퟿]+", "Digits one by one", "ByteLevel"}},
      {PreTokenizerKind::kDeepSeekCoder,
       {"Split [\r\n]", R"(Split \s?\p{L}+)", R"(Split \s?\p{P}+)", "Split [一-龥ࠀ-一가-퟿]+",
        "Digits one by one", "ByteLevel"}},
  };
  return known;
}

bool step_matches(std::string_view step, std::string_view known) {
  constexpr std::string_view kAnyRest = "…";
  if (!known.ends_with(kAnyRest)) return step == known;
  return step.starts_with(known.substr(0, known.size() - kAnyRest.size()));
}

Result<std::string> describe_step(const Json& step) {
  const std::string type = text_of(member(step, "type"));
  if (type == "Split") {
    const std::string pattern = text_of(member(member(step, "pattern"), "Regex"));
    R1_TRY(const bool invert, json_bool(step, "invert", false));
    if (text_of(member(step, "behavior")) == "Isolated" && !invert && !pattern.empty()) return "Split " + pattern;
  } else if (type == "ByteLevel") {
    R1_TRY(const bool add_prefix_space, json_bool(step, "add_prefix_space", true));
    R1_TRY(const bool use_regex, json_bool(step, "use_regex", true));
    if (!add_prefix_space) return std::string(use_regex ? "ByteLevel words" : "ByteLevel");
  } else if (type == "Digits") {
    R1_TRY(const bool individual_digits, json_bool(step, "individual_digits", false));
    if (individual_digits) return std::string("Digits one by one");
  }
  return unsupported(fmt::format("pre-tokenizer step this build does not know: {}",
                                 step.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 200)));
}

Result<PreTokenizerKind> read_pre_tokenizer(const Json& pre_tokenizer) {
  if (!pre_tokenizer.is_object()) return unsupported("no pre-tokenizer: not a byte-level BPE");
  const bool is_sequence = text_of(member(pre_tokenizer, "type")) == "Sequence";
  const Json steps_json = is_sequence ? member(pre_tokenizer, "pretokenizers") : Json::array({pre_tokenizer});
  std::vector<std::string> steps;
  for (const Json& step : steps_json) {
    R1_TRY(std::string description, describe_step(step));
    steps.push_back(std::move(description));
  }
  for (const KnownSteps& known : known_steps()) {
    if (std::equal(steps.begin(), steps.end(), known.steps.begin(), known.steps.end(), step_matches)) return known.kind;
  }
  return unsupported(
      fmt::format("a pre-tokenizer this build does not know: {:.300}", fmt::format("{}", fmt::join(steps, ", then "))));
}

// ---- the normaliser -------------------------------------------------------------------------------------------------

Result<bool> read_nfc(const Json& normalizer) {
  if (normalizer.is_null()) return false;
  const std::string type = text_of(member(normalizer, "type"));
  if (type == "NFC") return true;
  if (type != "Sequence") return unsupported(fmt::format("normalizer '{}', this build knows NFC", type));
  bool nfc = false;
  for (const Json& step : member(normalizer, "normalizers")) {
    if (text_of(member(step, "type")) != "NFC")
      return unsupported(fmt::format("normalizer '{}', this build knows NFC", text_of(member(step, "type"))));
    nfc = true;
  }
  return nfc;
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

Status place_token(Vocabulary& vocabulary, std::string token, const Json& id_json, TokenKind kind) {
  if (!id_json.is_number_integer()) return bad_tokenizer_json(fmt::format("token '{}' has no id", token));
  const auto id = id_json.is_number_unsigned()
                      ? static_cast<std::int64_t>(std::min<std::uint64_t>(id_json.get<std::uint64_t>(), INT64_MAX))
                      : id_json.get<std::int64_t>();
  if (id < 0 || id > kIdMax)
    return bad_tokenizer_json(fmt::format("token '{}' has id {}, at most {} are read", token, id, kIdMax));
  const auto slot = static_cast<std::size_t>(id);
  if (slot >= vocabulary.tokens.size()) {
    vocabulary.tokens.resize(slot + 1);
    vocabulary.kinds.resize(slot + 1, TokenKind::kUnused);
  }
  std::string& place = vocabulary.tokens[slot];
  if (!place.empty() && place != token)
    return bad_tokenizer_json(fmt::format("'{}' and '{}' both have id {}", place, token, id));
  place = std::move(token);
  vocabulary.kinds[slot] = kind;
  return {};
}

Status read_tokens(const Json& root, Vocabulary& vocabulary) {
  const Json& vocab = member(member(root, "model"), "vocab");
  if (!vocab.is_object()) return bad_tokenizer_json("model.vocab is not an object");
  for (const auto& [token, id] : vocab.items()) R1_TRY_STATUS(place_token(vocabulary, token, id, TokenKind::kNormal));
  const Json& added = member(root, "added_tokens");
  if (!added.is_array() && !added.is_null()) return bad_tokenizer_json("added_tokens is not a list");
  for (const Json& token : added) {
    const std::string content = text_of(member(token, "content"));
    R1_TRY(const bool special, json_bool(token, "special", false));
    const bool is_control = special || looks_like_control(content);
    R1_TRY_STATUS(place_token(vocabulary, content, member(token, "id"),
                              is_control ? TokenKind::kControl : TokenKind::kUserDefined));
  }
  return {};
}

// "left right" in older files, ["left", "right"] in newer ones.
Status read_merges(const Json& model, Vocabulary& vocabulary) {
  const Json& merges = member(model, "merges");
  if (!merges.is_array()) return bad_tokenizer_json("model.merges is not a list");
  vocabulary.merges.reserve(merges.size());
  for (const Json& merge : merges) {
    if (merge.is_string()) {
      vocabulary.merges.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      vocabulary.merges.push_back(merge[0].get<std::string>() + ' ' + merge[1].get<std::string>());
    } else {
      return bad_tokenizer_json(fmt::format("merge {} is not two tokens", vocabulary.merges.size()));
    }
  }
  return {};
}

Status check_model(const Json& model) {
  const std::string type = text_of(member(model, "type"));
  if (type != "BPE" && !type.empty()) return unsupported(fmt::format("model type '{}', this build knows BPE", type));
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!text_of(member(model, affix)).empty()) return unsupported(fmt::format("BPE with a {}", affix));
  }
  R1_TRY(const bool byte_fallback, json_bool(model, "byte_fallback", false));
  if (byte_fallback) return unsupported("BPE over characters with byte fallback; this build knows byte-level BPE");
  return {};
}

// ---- special ids ----------------------------------------------------------------------------------------------------

// Ids by name among the added tokens and, for old files that list none there, the vocabulary.
int id_of(const Vocabulary& vocabulary, std::string_view name) {
  if (name.empty()) return -1;
  const auto found = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), name);
  return found == vocabulary.tokens.end() ? -1 : static_cast<int>(found - vocabulary.tokens.begin());
}

// A special token of tokenizer_config.json: "<s>" or {"content": "<s>"}.
std::string special_name(const Json& config, std::string_view key) {
  const Json& value = member(config, key);
  return value.is_object() ? text_of(member(value, "content")) : text_of(value);
}

// Ids that are out of the vocabulary are ignored: configs are copied from model to model, and the tokenizer decides.
void add_ids(const Json& value, const Vocabulary& vocabulary, std::vector<int>& ids) {
  if (value.is_array()) {
    for (const Json& id : value) add_ids(id, vocabulary, ids);
  } else if (value.is_number_integer()) {
    const auto id = value.get<std::int64_t>();
    if (id >= 0 && id < static_cast<std::int64_t>(vocabulary.tokens.size())) ids.push_back(static_cast<int>(id));
  }
}

// Llama 3 says it in the post-processor: a template whose first part is the BOS token.
bool post_processor_adds(const Json& post_processor, std::string_view bos) {
  const std::string type = text_of(member(post_processor, "type"));
  if (type == "Sequence") {
    const Json& steps = member(post_processor, "processors");
    return std::any_of(steps.begin(), steps.end(), [&](const Json& step) { return post_processor_adds(step, bos); });
  }
  const Json& single = member(post_processor, "single");
  if (type != "TemplateProcessing" || !single.is_array() || single.empty()) return false;
  return !bos.empty() && text_of(member(member(single[0], "SpecialToken"), "id")) == bos;
}

Result<Json> parse_optional(std::string_view text, std::string_view what) {
  if (text.empty()) return Json();
  return parse_json(text, what);
}

Status read_special_ids(const HfTokenizerFiles& files, const Json& root, Vocabulary& vocabulary) {
  R1_TRY(const Json tokenizer_config, parse_optional(files.tokenizer_config, "tokenizer_config.json"));
  R1_TRY(const Json generation_config, parse_optional(files.generation_config, "generation_config.json"));
  R1_TRY(const Json config, parse_optional(files.config, "config.json"));
  const std::string bos = special_name(tokenizer_config, "bos_token");
  vocabulary.bos_id = id_of(vocabulary, bos);
  vocabulary.eos_id = id_of(vocabulary, special_name(tokenizer_config, "eos_token"));
  vocabulary.pad_id = id_of(vocabulary, special_name(tokenizer_config, "pad_token"));
  R1_TRY(vocabulary.add_bos,
         json_bool(tokenizer_config, "add_bos_token", post_processor_adds(member(root, "post_processor"), bos)));
  std::vector<int> from_config;
  if (tokenizer_config.is_null()) {
    add_ids(member(config, "bos_token_id"), vocabulary, from_config);
    if (!from_config.empty()) vocabulary.bos_id = from_config[0];
  }
  add_ids(member(generation_config, "eos_token_id"), vocabulary, vocabulary.end_ids);
  if (vocabulary.eos_id < 0 && vocabulary.end_ids.empty()) {
    add_ids(member(config, "eos_token_id"), vocabulary, vocabulary.end_ids);
  }
  if (vocabulary.eos_id < 0 && !vocabulary.end_ids.empty()) vocabulary.eos_id = vocabulary.end_ids[0];
  add_known_end_ids(vocabulary);
  return {};
}

}  // namespace

bool looks_like_control(std::string_view token) {
  const auto is_between = [token](std::string_view begin, std::string_view end) {
    return token.size() > begin.size() + end.size() && token.starts_with(begin) && token.ends_with(end);
  };
  return is_between("<|", "|>") || is_between("<｜", "｜>");
}

void add_known_end_ids(Vocabulary& vocabulary) {
  static const std::set<std::string_view> kEndNames = {
      "<｜end▁of▁sentence｜>", "<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|EOT|>",
  };
  if (vocabulary.eos_id >= 0) vocabulary.end_ids.push_back(vocabulary.eos_id);
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.kinds[id] == TokenKind::kControl && kEndNames.count(vocabulary.tokens[id]) != 0)
      vocabulary.end_ids.push_back(static_cast<int>(id));
  }
  std::sort(vocabulary.end_ids.begin(), vocabulary.end_ids.end());
  vocabulary.end_ids.erase(std::unique(vocabulary.end_ids.begin(), vocabulary.end_ids.end()), vocabulary.end_ids.end());
}

Result<HfTokenizerFiles> read_hf_tokenizer_files(const std::string& folder) {
  HfTokenizerFiles files;
  R1_TRY(files.tokenizer, read_file(folder + "/tokenizer.json", kFileBytesMax));
  const auto read_optional = [&](const char* name, std::string& into) -> Status {
    const std::string path = folder + "/" + name;
    if (!file_exists(path)) return {};
    R1_TRY(into, read_file(path, kFileBytesMax));
    return {};
  };
  R1_TRY_STATUS(read_optional("tokenizer_config.json", files.tokenizer_config));
  R1_TRY_STATUS(read_optional("generation_config.json", files.generation_config));
  R1_TRY_STATUS(read_optional("config.json", files.config));
  return files;
}

Result<Vocabulary> vocabulary_from_hf_files(const HfTokenizerFiles& files) {
  R1_TRY(const Json root, parse_json(files.tokenizer, "tokenizer.json"));
  const Json& model = member(root, "model");
  R1_TRY_STATUS(check_model(model));
  Vocabulary vocabulary;
  R1_TRY(vocabulary.pre_tokenizer, read_pre_tokenizer(member(root, "pre_tokenizer")));
  R1_TRY(vocabulary.nfc, read_nfc(member(root, "normalizer")));
  R1_TRY(vocabulary.ignore_merges, json_bool(model, "ignore_merges", false));
  R1_TRY_STATUS(read_tokens(root, vocabulary));
  R1_TRY_STATUS(read_merges(model, vocabulary));
  R1_TRY_STATUS(read_special_ids(files, root, vocabulary));
  return vocabulary;
}

Result<Vocabulary> vocabulary_from_hf_folder(const std::string& folder) {
  R1_TRY(const HfTokenizerFiles files, read_hf_tokenizer_files(folder));
  Result<Vocabulary> vocabulary = vocabulary_from_hf_files(files);
  if (!vocabulary.ok()) return with_context(vocabulary.error(), folder);
  return vocabulary;
}

// A text, or a list of {"name", "template"} of which "default" is for conversations.
Result<std::string> chat_template_from_hf_folder(const std::string& folder) {
  const std::string own_file = folder + "/chat_template.jinja", config_file = folder + "/tokenizer_config.json";
  if (file_exists(own_file)) return read_file(own_file, kFileBytesMax);
  if (!file_exists(config_file)) return std::string();
  R1_TRY(const Json config, read_json_file(config_file));
  const Json& value = member(config, "chat_template");
  if (!value.is_array()) return text_of(value);
  for (const Json& named : value) {
    if (text_of(member(named, "name")) == "default") return text_of(member(named, "template"));
  }
  return std::string();
}

}  // namespace r1
