// answer_stream.h: an answer's token ids to what its reader sees, thinking and answer apart.
//
// Ids pass through StreamDecoder, ReasoningSplitter and StopStrings, in this order; stop strings sleep until the
// thinking is over, or a model that ponders "Question:" would end mid-thought. Used by the server and by the terminal.
//
//   AnswerStream stream(tokenizer, prompt.answer_start, {"Question:"});
//   for (each sampled id) {
//     const SplitText delta = stream.feed(id);         // either part may be empty
//     if (stream.stopped()) break;                     // cancel the generation; the reason is "stop"
//   }
//   const SplitText rest = stream.finish();            // always: what was held back
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/reasoning_splitter.h"
#include "text/stop_strings.h"
#include "text/tokenizer.h"

namespace r1 {

class AnswerStream {
 public:
  // The tokenizer must outlive the stream.
  AnswerStream(const Tokenizer& tokenizer, ReasoningSplitter::Start start, std::vector<std::string> stop_strings = {});

  SplitText feed(int id);  // nothing once stopped; tokens fed then are not counted either
  SplitText finish();      // the last ids came

  bool stopped() const { return stops_.stopped(); }                  // a stop string ended the answer
  std::string_view stop_string() const { return stops_.matched(); }  // which one
  bool in_thinking() const { return splitter_.in_thinking(); }

  int completion_tokens() const { return n_tokens_; }
  // Tokens up to and including the one that completed </think>; all of them while the thinking is open.
  int reasoning_tokens() const { return n_reasoning_tokens_; }

 private:
  StreamDecoder decoder_;
  ReasoningSplitter splitter_;
  StopStrings stops_;
  int n_tokens_ = 0, n_reasoning_tokens_ = 0;
};

}  // namespace r1
