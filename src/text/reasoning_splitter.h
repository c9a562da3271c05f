// reasoning_splitter.h: streamed text to thinking and answer, at the first </think>.
//
// Whatever way the stream is cut, the concatenation of what comes out is the same. A tag that might still be arriving
// is held back.
#pragma once

#include <string>
#include <string_view>

namespace r1 {

struct SplitText {
  std::string thinking, answer;
};

class ReasoningSplitter {
 public:
  enum class Start {
    kAnswer,     // the model does not think: everything is answer
    kThinking,   // the template gave <think>: everything up to </think> is thinking
    kUndecided,  // a <think> at the very beginning opens thinking, anything else is answer
  };
  explicit ReasoningSplitter(Start start) : start_(start) {}

  SplitText feed(std::string_view text);
  SplitText finish();  // what was held back

  bool in_thinking() const;

 private:
  Start start_;
};

}  // namespace r1
