// drafter.h: guesses of tokens to come, by the model's own module for multi-token prediction (DeepSeek-V3 report, 2.2
// and 5.4.3): speculative decoding, one token ahead.
//
// A draft is computed as one more row behind its sequence's last token. What the row before it gives is sampled as
// ever; if that is the draft, the draft's row has the next token's logits already. Every row's logits are the same bits
// alone and in company, and every draw depends on its place in the answer alone: so an answer with drafts is the answer
// without them, to the last bit, at any temperature.
#pragma once

#include "base/thread_pool.h"
#include "engine/scheduler.h"
#include "model/forward.h"

namespace r1 {

class Drafter {
 public:
  // The forward's model has the module, the cache room for its latents.
  Drafter(const Forward& forward, ThreadPool& pool, Arena& arena, KvCache& kv)
      : forward_(forward), pool_(pool), arena_(arena), kv_(kv) {}

  // After a pass's tokens were sampled and appended: lets the module follow the rows that count, and gives every
  // sequence that goes on a new draft. hidden: Forward::hidden of the batch [tokens, dim].
  void follow(const ScheduledBatch& batch, Tensor hidden);

 private:
  const Forward& forward_;
  ThreadPool& pool_;
  Arena& arena_;
  KvCache& kv_;
};

}  // namespace r1
