// tool_calls.h: how models write calls of tools into their answers, and how they are found there again.
//
// Whatever way the stream is cut, the same comes out:
// 1. Text that may be the beginning of a call is held back; white space before a call belongs to the call.
// 2. A call begins once its name and the brace of its arguments are there; arguments come as they are written.
// 3. What looked like a call and is none is text again, as it was written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace r1 {

// A tool as a request describes it.
struct ToolDefinition {
  std::string name, description;
  std::string parameters = "{}";  // JSON Schema of the arguments, as JSON text
  bool is_strict = false;         // its schema must be kept
};

// The texts around names and arguments: open call between call … close; a call: before_name NAME before_arguments
// ARGUMENTS after_arguments. Tags in them may be tokens of their own.
struct ToolSyntax {
  std::string_view open, before_name, before_arguments, after_arguments, between, close;

  std::string_view opening_tag() const;  // by which a call is recognised
};

extern const ToolSyntax kDeepSeekToolSyntax;  // <｜tool▁calls▁begin｜>…: R1 and V3
extern const ToolSyntax
    kTaggedToolSyntax;  // <tool_call>{"name": …, "arguments": …}</tool_call>: Qwen, and where none is known

// The next piece of a text in a ToolSyntax: a tag <…>, or what stands before one. Not empty unless `text` is.
std::string_view next_tool_piece(std::string_view text);

// What one call grew by. The first of a call has its name.
struct ToolCallDelta {
  int index = 0;  // which call of the answer
  std::string name, arguments;
};

class ToolCallParser {
 public:
  explicit ToolCallParser(const ToolSyntax& syntax) : syntax_(syntax) {}

  // Text of the answer in; what of it is no call comes back, calls are appended.
  std::string feed(std::string_view fed, std::vector<ToolCallDelta>& calls);
  std::string finish();  // what was held back and turned out to be text
  int n_calls() const { return n_calls_; }

 private:
  enum class State { kText, kBetween, kName, kBeforeArguments, kArguments, kAfterArguments };

  void take(char c, std::string& text, std::vector<ToolCallDelta>& calls);
  void take_text(char c, std::string& text);
  void take_between(char c, std::string& text);
  void take_name(char c, std::string& text);
  void take_arguments(char c, std::string& text, std::vector<ToolCallDelta>& calls);
  void give_up(std::string& text);
  void enter(State state);

  const ToolSyntax& syntax_;
  State state_ = State::kText;
  std::string held_;       // since what may be a call began, white space before it included
  std::size_t n_tag_ = 0;  // of the opening tag, in held_
  std::string part_;       // in kBetween and around arguments: what has come of the expected text, without white space
  std::string name_;
  int n_calls_ = 0, depth_ = 0;
  bool in_string_ = false, is_escaped_ = false;
};

}  // namespace r1
