// reasoning_splitter.cpp: a character at a time, so that it cannot matter how the stream is cut.
//
// Both tags hold '<' only at their beginning, so after a mismatch matching begins anew at the current character.
#include "text/reasoning_splitter.h"

#include <algorithm>

namespace r1 {
namespace {

constexpr std::string_view kOpening = "<think>", kClosing = "</think>";

bool is_newline(char c) { return c == '\n' || c == '\r'; }
bool is_space(char c) { return is_newline(c) || c == ' ' || c == '\t'; }

}  // namespace

ReasoningSplitter::ReasoningSplitter(Start start)
    : start_(start),
      state_(start == Start::kAnswer      ? State::kAnswer
             : start == Start::kInThought ? State::kThinking
                                          : State::kBeforeOpening) {}

SplitText ReasoningSplitter::feed(std::string_view text) {
  SplitText out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (state_ == State::kAnswer) {
      out.answer += text.substr(i);
      break;
    }
    take(text[i], out);
  }
  return out;
}

void ReasoningSplitter::take(char c, SplitText& out) {
  switch (state_) {
    case State::kBeforeOpening:
      return take_before_opening(c, out);
    case State::kAfterOpening:
      if (is_newline(c)) return;
      state_ = State::kThinking;
      return take_thinking(c, out);
    case State::kThinking:
      return take_thinking(c, out);
    case State::kAfterClosing:
      if (is_newline(c)) return;
      state_ = State::kAnswer;
      out.answer.push_back(c);
      return;
    case State::kAnswer:
      out.answer.push_back(c);
      return;
  }
}

void ReasoningSplitter::take_before_opening(char c, SplitText& out) {
  if (c == kOpening[static_cast<std::size_t>(n_tag_)]) {
    if (++n_tag_ < static_cast<int>(kOpening.size())) return;
    n_tag_ = 0;
    space_.clear();
    state_ = State::kAfterOpening;
    return;
  }
  if (n_tag_ == 0 && is_space(c)) {
    space_.push_back(c);
    return;
  }
  if (start_ == Start::kUndecided) {
    release(out.answer);
    state_ = State::kAnswer;
    out.answer.push_back(c);
    return;
  }
  // The template's own <think> stands; what looked like another begins the thought.
  const std::size_t n_newlines = std::min(space_.find_first_not_of("\r\n"), space_.size());
  const std::string begun =
      space_.substr(n_newlines) + std::string(kOpening.substr(0, static_cast<std::size_t>(n_tag_)));
  space_.clear();
  n_tag_ = 0;
  state_ = State::kAfterOpening;
  for (const char held : begun) take(held, out);
  take(c, out);
}

void ReasoningSplitter::take_thinking(char c, SplitText& out) {
  if (c != kClosing[static_cast<std::size_t>(n_tag_)] && n_tag_ > 0) release(out.thinking);
  if (c == kClosing[static_cast<std::size_t>(n_tag_)]) {
    if (++n_tag_ < static_cast<int>(kClosing.size())) return;
    n_tag_ = 0;
    space_.clear();
    state_ = State::kAfterClosing;
    has_thought_ = true;
  } else if (is_newline(c)) {
    space_.push_back(c);
  } else {
    release(out.thinking);
    out.thinking.push_back(c);
  }
}

void ReasoningSplitter::release(std::string& into) {
  const std::string_view tag = state_ == State::kThinking ? kClosing : kOpening;
  into += space_;
  into += tag.substr(0, static_cast<std::size_t>(n_tag_));
  space_.clear();
  n_tag_ = 0;
}

SplitText ReasoningSplitter::finish() {
  SplitText out;
  if (state_ == State::kBeforeOpening) release(start_ == Start::kUndecided ? out.answer : out.thinking);
  if (state_ == State::kThinking) release(out.thinking);
  return out;
}

bool ReasoningSplitter::in_thinking() const {
  return state_ == State::kAfterOpening || state_ == State::kThinking ||
         (state_ == State::kBeforeOpening && start_ == Start::kThinking);
}

}  // namespace r1
