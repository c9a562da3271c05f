// tool_calls.cpp: a character at a time, so that it cannot matter how the stream is cut. White space between the parts
// of a call is as models happen to write it, and is not compared.
#include "text/tool_calls.h"

#include <algorithm>

namespace r1 {
namespace {

bool is_json_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

enum class Match { kWhole, kPart, kNone };
Match match(std::string_view expected, std::string_view got) {
  for (const char c : expected) {
    if (is_json_space(c)) continue;
    if (got.empty()) return Match::kPart;
    if (got[0] != c) return Match::kNone;
    got.remove_prefix(1);
  }
  return got.empty() ? Match::kWhole : Match::kNone;
}

}  // namespace

const ToolSyntax kDeepSeekToolSyntax = {.open = "<｜tool▁calls▁begin｜>",
                                        .before_name = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
                                        .before_arguments = "\n```json\n",
                                        .after_arguments = "\n```<｜tool▁call▁end｜>",
                                        .between = "\n",
                                        .close = "<｜tool▁calls▁end｜>"};
const ToolSyntax kTaggedToolSyntax = {.open = "",
                                      .before_name = "<tool_call>\n{\"name\": \"",
                                      .before_arguments = "\", \"arguments\": ",
                                      .after_arguments = "}\n</tool_call>",
                                      .between = "\n",
                                      .close = ""};

std::string_view next_tool_piece(std::string_view text) {
  const std::size_t tag = text.find('<');
  if (tag != 0) return text.substr(0, tag);
  const std::size_t end = text.find('>');
  return end == std::string_view::npos ? text : text.substr(0, end + 1);
}

std::string_view ToolSyntax::opening_tag() const { return next_tool_piece(open.empty() ? before_name : open); }

std::string ToolCallParser::feed(std::string_view fed, std::vector<ToolCallDelta>& calls) {
  std::string text;
  for (const char c : fed) take(c, text, calls);
  return text;
}

std::string ToolCallParser::finish() {
  std::string text;
  // Behind a call, white space and half a tag say nothing.
  const bool is_rest_of_calls =
      state_ == State::kArguments || state_ == State::kAfterArguments ||
      (n_calls_ > 0 && (state_ == State::kBetween || std::all_of(held_.begin(), held_.end(), is_json_space)));
  if (!is_rest_of_calls) text = held_;
  held_.clear();
  enter(State::kText);
  return text;
}

void ToolCallParser::enter(State state) {
  state_ = state;
  part_.clear();
  n_tag_ = 0;
}

void ToolCallParser::take(char c, std::string& text, std::vector<ToolCallDelta>& calls) {
  switch (state_) {
    case State::kText:
      return take_text(c, text);
    case State::kBetween:
      return take_between(c, text);
    case State::kName:
    case State::kBeforeArguments:
      return take_name(c, text);
    case State::kArguments:
    case State::kAfterArguments:
      return take_arguments(c, text, calls);
  }
}

// The tag holds '<' only at its beginning, so after a mismatch matching begins anew at the current character.
void ToolCallParser::take_text(char c, std::string& text) {
  const std::string_view tag = syntax_.opening_tag();
  if (n_tag_ > 0 && c != tag[n_tag_]) give_up(text);
  held_.push_back(c);
  if (c == tag[n_tag_]) {
    if (++n_tag_ < tag.size()) return;
    enter(State::kBetween);
    if (syntax_.open.empty()) part_ = tag;
  } else if (!is_json_space(c)) {
    give_up(text);
  }
}

void ToolCallParser::give_up(std::string& text) {
  text += held_;
  held_.clear();
  enter(State::kText);
}

// A call, the next one, or the end of all.
void ToolCallParser::take_between(char c, std::string& text) {
  held_.push_back(c);
  if (is_json_space(c)) return;
  part_.push_back(c);
  const Match call = match(syntax_.before_name, part_);
  const Match close = syntax_.close.empty() ? Match::kNone : match(syntax_.close, part_);
  if (call == Match::kWhole) {
    name_.clear();
    enter(State::kName);
  } else if (close == Match::kWhole && n_calls_ > 0) {
    held_.clear();
    enter(State::kText);
  } else if (call == Match::kNone && close == Match::kNone) {
    held_.pop_back();
    give_up(text);
    take_text(c, text);
  }
}

void ToolCallParser::take_name(char c, std::string& text) {
  held_.push_back(c);
  if (state_ == State::kName && is_name(c)) {
    name_.push_back(c);
    return;
  }
  if (state_ == State::kName) {
    if (name_.empty()) return give_up(text);
    enter(State::kBeforeArguments);
  }
  if (is_json_space(c)) return;
  part_.push_back(c);
  const Match before = match(syntax_.before_arguments, part_);
  if (before == Match::kNone) return give_up(text);
  if (before != Match::kWhole) return;
  enter(State::kArguments);
  depth_ = 0;
}

void ToolCallParser::take_arguments(char c, std::string& text, std::vector<ToolCallDelta>& calls) {
  if (state_ == State::kAfterArguments) {
    if (is_json_space(c)) return;
    part_.push_back(c);
    const Match after = match(syntax_.after_arguments, part_);
    if (after == Match::kPart) return;
    if (after == Match::kNone) held_ = part_;  // whatever it is, it is no more of the call
    enter(State::kBetween);
    if (after == Match::kNone) give_up(text);
    return;
  }
  if (depth_ == 0) {
    held_.push_back(c);
    if (is_json_space(c)) return;
    if (c != '{') return give_up(text);
    held_.clear();
    depth_ = 1;
    in_string_ = is_escaped_ = false;
    calls.push_back({n_calls_++, name_, "{"});
    return;
  }
  const int index = n_calls_ - 1;
  if (calls.empty() || calls.back().index != index) calls.push_back({index, "", ""});
  calls.back().arguments.push_back(c);
  if (is_escaped_) {
    is_escaped_ = false;
  } else if (in_string_) {
    is_escaped_ = c == '\\';
    in_string_ = c != '"';
  } else if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if ((c == '}' || c == ']') && --depth_ == 0) {
    enter(State::kAfterArguments);
  }
}

}  // namespace r1
