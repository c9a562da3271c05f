// reasoning_splitter.h: streamed text to thinking and answer, at the first </think>.
//
// Whatever way the stream is cut, the concatenation of what comes out is the same:
// 1. A tag that might still be arriving is held back.
// 2. Newlines that touch a tag belong to the tag: models write "<think>\nThought\n</think>\n\nAnswer" and mean
// "Thought"
//    and "Answer". All other white space is kept. (Of the parsers people compare with, vLLM's keeps these newlines,
//    SGLang's drops all white space there, but not the same when streaming.)
// 3. Only the first </think> counts; without one, everything is thinking. A <think> that repeats the template's is
//    dropped.
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
    kInThought,  // what came before began the thought already: a prefix that is to be continued
    kUndecided,  // a <think> at the very beginning, or after white space, opens thinking, anything else is answer
  };
  explicit ReasoningSplitter(Start start);

  SplitText feed(std::string_view text);
  SplitText finish();  // what was held back

  bool in_thinking() const;
  bool has_thought() const { return has_thought_; }  // </think> came

 private:
  enum class State { kBeforeOpening, kAfterOpening, kThinking, kAfterClosing, kAnswer };

  void take(char c, SplitText& out);
  void take_before_opening(char c, SplitText& out);
  void take_thinking(char c, SplitText& out);
  void release(std::string& into);  // what was held back turned out to be text

  Start start_;
  State state_;
  bool has_thought_ = false;
  std::string space_;  // held back: white space that a tag may follow
  int n_tag_ = 0;      // held back after it: so many characters of the tag that may be arriving
};

}  // namespace r1
