// script.cpp: the script's JSON to a flat program an answer; loops stay loops, so a million tokens cost one step.
#include "engine/script.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

constexpr std::int64_t kScriptBytesMax = 16 << 20;
constexpr int kNestingMax = 16;
constexpr std::int64_t kRepeatMax = 1'000'000'000;

// The names are R1's (DeepSeek's tokenizer.json); the ids are the script's own, from 256 on.
constexpr std::array<std::pair<std::string_view, ScriptToken::Kind>, 17> kNamedTokens = {{
    {"<｜begin▁of▁sentence｜>", ScriptToken::Kind::kControl},
    {"<｜end▁of▁sentence｜>", ScriptToken::Kind::kControl},
    {"<｜▁pad▁｜>", ScriptToken::Kind::kControl},
    {"<｜User｜>", ScriptToken::Kind::kControl},
    {"<｜Assistant｜>", ScriptToken::Kind::kControl},
    {"<think>", ScriptToken::Kind::kAdded},
    {"</think>", ScriptToken::Kind::kAdded},
    {"<|EOT|>", ScriptToken::Kind::kControl},
    {"<｜tool▁calls▁begin｜>", ScriptToken::Kind::kAdded},
    {"<｜tool▁calls▁end｜>", ScriptToken::Kind::kAdded},
    {"<｜tool▁call▁begin｜>", ScriptToken::Kind::kAdded},
    {"<｜tool▁call▁end｜>", ScriptToken::Kind::kAdded},
    {"<｜tool▁outputs▁begin｜>", ScriptToken::Kind::kAdded},
    {"<｜tool▁outputs▁end｜>", ScriptToken::Kind::kAdded},
    {"<｜tool▁output▁begin｜>", ScriptToken::Kind::kAdded},
    {"<｜tool▁output▁end｜>", ScriptToken::Kind::kAdded},
    {"<｜tool▁sep｜>", ScriptToken::Kind::kAdded},
}};

Error script_error(std::string_view where, std::string_view problem) {
  return {ErrorCode::kInvalidInput, fmt::format("{}: {}", where, problem)};
}

// Writes the ops of one answer and interns the words it uses.
class Compiler {
 public:
  explicit Compiler(Script& script) : script_(script) {
    for (int byte = 0; byte < 256; ++byte) intern(std::string(1, static_cast<char>(byte)));
    for (const auto& [name, kind] : kNamedTokens) {
      ids_.emplace(name, static_cast<int>(script_.vocabulary.size()));
      script_.vocabulary.push_back({std::string(name), kind});
    }
  }

  Status compile(const Json& steps, const std::string& where, std::vector<ScriptOp>& ops, int depth = 0) {
    if (!steps.is_array()) return script_error(where, "must be an array of steps");
    if (depth > kNestingMax) return script_error(where, "steps nested too deeply");
    for (std::size_t i = 0; i < steps.size(); ++i)
      R1_TRY_STATUS(compile_step(steps[i], fmt::format("{}[{}]", where, i), ops, depth));
    return {};
  }

 private:
  Status compile_step(const Json& step, const std::string& where, std::vector<ScriptOp>& ops, int depth) {
    if (!step.is_object()) return script_error(where, "must be an object");
    auto repeat = json_int(step, "repeat", 1);
    if (!repeat.ok()) return script_error(where, repeat.error().message);
    if (*repeat < 0 || *repeat > kRepeatMax) return script_error(where, "'repeat' must be 0 to 1000000000");
    std::string action;
    for (const auto& [key, value] : step.items()) {
      if (key == "repeat") continue;
      if (!action.empty()) return script_error(where, fmt::format("has both '{}' and '{}'", action, key));
      action = key;
    }
    if (action.empty()) return script_error(where, "says nothing to do");
    std::vector<ScriptOp> never;
    std::vector<ScriptOp>& target = *repeat == 0 ? never : ops;
    if (*repeat > 1) target.push_back({ScriptOp::Kind::kLoop, static_cast<int>(*repeat), {}});
    R1_TRY_STATUS(compile_action(action, step[action], where, target, depth));
    if (*repeat > 1) target.push_back({ScriptOp::Kind::kEndLoop, 0, {}});
    return {};
  }

  Status compile_action(const std::string& action, const Json& value, const std::string& where,
                        std::vector<ScriptOp>& ops, int depth) {
    if (action == "text" && value.is_string()) {
      push_words(value.get<std::string>(), ops);
      return {};
    }
    if (action == "bytes" && value.is_string()) {
      for (const char byte : value.get<std::string>()) push_token(static_cast<unsigned char>(byte), ops);
      return {};
    }
    if (action == "tokens" && value.is_array()) return push_tokens(value, where, ops);
    if (action == "ms" && value.is_number_integer() && value >= 0 && value <= 86'400'000) {
      ops.push_back({ScriptOp::Kind::kWait, value.get<int>(), {}});
      return {};
    }
    if (action == "fail" && value.is_string()) {
      ops.push_back({ScriptOp::Kind::kFail, 0, value.get<std::string>()});
      return {};
    }
    if (action == "finish" && (value == "stop" || value == "length")) {
      ops.push_back({value == "stop" ? ScriptOp::Kind::kStop : ScriptOp::Kind::kLength, 0, {}});
      return {};
    }
    if (action == "stall" && value == true) {
      ops.push_back({ScriptOp::Kind::kStall, 0, {}});
      return {};
    }
    if (action == "steps") return compile(value, where + ".steps", ops, depth + 1);
    return script_error(where, fmt::format("'{}' is not a step, or not with this value", action));
  }

  Status push_tokens(const Json& tokens, const std::string& where, std::vector<ScriptOp>& ops) {
    for (const Json& token : tokens) {
      if (!token.is_string() || token.get_ref<const std::string&>().empty())
        return script_error(where, "'tokens' must be strings, none of them empty");
      push_token(intern(token.get<std::string>()), ops);
    }
    return {};
  }

  // A word is what a model's token often is: a run of non-spaces with the spaces before it. A tag is its own token.
  void push_words(std::string_view text, std::vector<ScriptOp>& ops) {
    while (!text.empty()) {
      std::size_t length = tag_length(text);
      if (length == 0) {
        length = std::min(text.find_first_not_of(" \n\t"), text.size());
        while (length < text.size() && !is_space(text[length]) && tag_length(text.substr(length)) == 0) ++length;
      }
      push_token(intern(std::string(text.substr(0, length))), ops);
      text.remove_prefix(length);
    }
  }

  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t'; }

  static std::size_t tag_length(std::string_view text) {
    if (!text.starts_with('<')) return 0;
    for (const auto& [name, kind] : kNamedTokens)
      if (text.starts_with(name)) return name.size();
    return 0;
  }

  static void push_token(int id, std::vector<ScriptOp>& ops) { ops.push_back({ScriptOp::Kind::kToken, id, {}}); }

  int intern(std::string bytes) {
    const auto [place, is_new] = ids_.emplace(std::move(bytes), static_cast<int>(script_.vocabulary.size()));
    if (is_new) script_.vocabulary.push_back({place->first, ScriptToken::Kind::kText});
    return place->second;
  }

  Script& script_;
  std::map<std::string, int> ids_;
};

Result<int> number_in(const Json& object, std::string_view key, int fallback, std::int64_t min, std::int64_t max) {
  R1_TRY(const std::int64_t value, json_int(object, key, fallback));
  if (value < min || value > max) {
    return Error{ErrorCode::kInvalidInput, fmt::format("'{}' must be {} to {}, not {}", key, min, max, value)};
  }
  return static_cast<int>(value);
}

Status known_keys_only(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return Error{ErrorCode::kInvalidInput, fmt::format("'{}' is not known here", key)};
    }
  }
  return {};
}

Result<ScriptAnswer> read_answer(const Json& source, const std::string& where, Compiler& compiler) {
  if (!source.is_object() || !source.contains("steps")) return script_error(where, "must be an object with 'steps'");
  ScriptAnswer answer;
  R1_TRY_STATUS(known_keys_only(source, {"when", "cached_tokens", "ms_per_token", "steps"}));
  R1_TRY(answer.when, json_string(source, "when", ""));
  R1_TRY(answer.cached_tokens, number_in(source, "cached_tokens", 0, 0, 1 << 30));
  R1_TRY(answer.ms_per_token, number_in(source, "ms_per_token", 0, 0, 86'400'000));
  R1_TRY_STATUS(compiler.compile(source["steps"], where + ".steps", answer.ops));
  answer.ops.push_back({ScriptOp::Kind::kStop, 0, {}});
  return answer;
}

Result<Script> read_script(const Json& source) {
  if (!source.is_object()) return script_error("script", "must be an object");
  Script script;
  R1_TRY_STATUS(known_keys_only(
      source, {"model", "thinks", "context_length", "parallel", "queue", "detects_repetition", "answers"}));
  R1_TRY(script.model, json_string(source, "model", script.model));
  R1_TRY(script.thinks, json_bool(source, "thinks", script.thinks));
  R1_TRY(script.context_length, number_in(source, "context_length", script.context_length, 2, 1 << 30));
  R1_TRY(script.n_parallel, number_in(source, "parallel", script.n_parallel, 1, 1 << 20));
  R1_TRY(script.detects_repetition, json_bool(source, "detects_repetition", false));
  R1_TRY(script.n_queued_max, number_in(source, "queue", script.n_queued_max, 0, 1 << 20));
  const auto answers = source.find("answers");
  if (answers == source.end() || !answers->is_array() || answers->empty())
    return script_error("answers", "must be an array with at least one answer");
  Compiler compiler(script);
  for (std::size_t i = 0; i < answers->size(); ++i) {
    const std::string where = fmt::format("answers[{}]", i);
    auto answer = read_answer((*answers)[i], where, compiler);
    if (!answer.ok()) {
      const bool is_placed = answer.error().message.starts_with("answers[");
      return is_placed ? std::move(answer).error() : with_context(std::move(answer).error(), where);
    }
    script.answers.push_back(std::move(*answer));
  }
  return script;
}

}  // namespace

Result<Script> Script::parse(std::string_view text, std::string_view what) {
  R1_TRY(const Json source, parse_json(text, what, {.max_bytes = kScriptBytesMax}));
  auto script = read_script(source);
  if (!script.ok()) return with_context(std::move(script).error(), what);
  return script;
}

Result<Script> Script::load(const std::string& path) {
  R1_TRY(const std::string text, read_file(path, kScriptBytesMax));
  return parse(text, path);
}

int Script::find(std::string_view control_or_added) const {
  for (std::size_t i = 0; i < kNamedTokens.size(); ++i)
    if (kNamedTokens[i].first == control_or_added) return 256 + static_cast<int>(i);
  return -1;
}

std::string Script::last_user_message(const std::vector<int>& prompt) const {
  const auto user = std::find(prompt.rbegin(), prompt.rend(), find("<｜User｜>"));
  const bool has_user = user != prompt.rend();
  std::string text;
  for (auto id = has_user ? user.base() : prompt.begin(); id != prompt.end(); ++id) {
    const ScriptToken& token = vocabulary[static_cast<std::size_t>(*id)];
    if (token.kind == ScriptToken::Kind::kControl) {
      if (has_user) break;
      continue;
    }
    text += token.bytes;
  }
  return text;
}

}  // namespace r1
