// answer_stream.cpp: the three steps in their order.
#include "text/answer_stream.h"

#include <utility>

namespace r1 {

AnswerStream::AnswerStream(const Tokenizer& tokenizer, ReasoningSplitter::Start start,
                           std::vector<std::string> stop_strings)
    : decoder_(tokenizer), splitter_(start), stops_(std::move(stop_strings)) {}

SplitText AnswerStream::feed(int id) {
  if (stopped()) return {};
  ++n_tokens_;
  const bool had_thought = splitter_.has_thought();
  SplitText split = splitter_.feed(decoder_.feed(id));
  if (splitter_.in_thinking() || splitter_.has_thought() != had_thought) n_reasoning_tokens_ = n_tokens_;
  split.answer = stops_.feed(split.answer);
  return split;
}

SplitText AnswerStream::finish() {
  if (stopped()) return {};
  SplitText last = splitter_.feed(decoder_.finish());
  SplitText held = splitter_.finish();
  last.thinking += held.thinking;
  last.answer = stops_.feed(last.answer + held.answer);
  last.answer += stops_.finish();
  return last;
}

}  // namespace r1
