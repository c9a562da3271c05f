// token_filter.h: what an answer may go on with, told token by token: how a grammar, or anything else that knows ids,
// constrains sampling. The engine knows no more of it than this.
#pragma once

#include <span>

namespace r1 {

// Of one answer, and used on the engine's thread only; destroyed on any.
class TokenFilter {
 public:
  enum class Verdict {
    kOpen,      // some tokens are left
    kEnded,     // none are, and none is needed: the answer is complete
    kStranded,  // none are, and the answer is not complete
  };

  virtual ~TokenFilter() = default;

  // Before each token: sets the scores of those that may not come next to minus infinity. [vocab_size of the model,
  // which may be padded beyond the tokenizer's]
  virtual Verdict mask(std::span<float> scores) = 0;
  // Each token of the answer in order, those too that were not sampled but forced (ThoughtLimit).
  virtual void accept(int id) = 0;
};

}  // namespace r1
