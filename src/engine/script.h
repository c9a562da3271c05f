// script.h: a script of answers, read from JSON and compiled: what ScriptEngine plays. docs/scripted-engine.md has the
// format.
//
// A script brings its own vocabulary: a token for every byte, R1's control tokens, and one for every word the answers
// contain. So prompts are real tokens, and templates, splitting and counting run as with a model.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace r1 {

struct ScriptToken {
  enum class Kind { kText, kAdded, kControl };  // kAdded: stands for its own text, like <think>
  std::string bytes;
  Kind kind = Kind::kText;
};

struct ScriptOp {
  enum class Kind {
    kToken,   // number: id
    kWait,    // number: milliseconds
    kFail,    // text: message
    kStop,    // ends with the end token
    kLength,  // ends as if max_tokens were reached
    kStall,   // nothing more, until cancelled
    kLoop,    // number: times; up to its kEndLoop
    kEndLoop,
  };
  Kind kind;
  int number = 0;
  std::string text;
};

struct ScriptAnswer {
  std::string when;  // part of the last user message; "": for any prompt, such answers take turns
  int cached_tokens = 0;
  int ms_per_token = 0;
  std::vector<ScriptOp> ops;
};

struct Script {
  static constexpr int kEndId = 257;  // the first control tokens follow the 256 bytes

  std::string model = "script";
  bool thinks = true;  // the template opens <think>, as R1's does
  int context_length = 4096;
  int n_parallel = 64;
  int n_queued_max = 1024;
  bool detects_repetition = false;  // scripts repeat on purpose
  std::vector<ScriptAnswer> answers;
  std::vector<ScriptToken> vocabulary;

  // `what` names the text in errors.
  static Result<Script> parse(std::string_view text, std::string_view what);
  static Result<Script> load(const std::string& path);

  int find(std::string_view control_or_added) const;  // -1: there is none
  // Text of the last user message of a prompt; of all of it when it has no user tag.
  std::string last_user_message(const std::vector<int>& prompt) const;
};

}  // namespace r1
