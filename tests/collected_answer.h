// collected_answer.h: all that a stream of the engine's brings, until it ends.
#pragma once

#include <vector>

#include "engine/token_stream.h"

namespace r1 {

struct CollectedAnswer {
  std::vector<int> ids;
  std::vector<float> logprobs;
  Finish finish;

  // The same tokens, as likely, ended in the same way: what was cached or drafted may differ.
  bool operator==(const CollectedAnswer& other) const {
    return ids == other.ids && logprobs == other.logprobs && finish.reason == other.finish.reason;
  }
};

inline CollectedAnswer collect(TokenStream stream) {
  CollectedAnswer answer;
  while (true) {
    const StreamEvent event = stream.next();
    if (event.token) {
      answer.ids.push_back(event.token->id);
      answer.logprobs.push_back(event.token->logprob);
    }
    if (event.finish) {
      answer.finish = *event.finish;
      return answer;
    }
  }
}

}  // namespace r1
