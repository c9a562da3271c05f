// sequence.h: one generation as the engine sees it: a timeline of tokens, and how far the cache has followed it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/prefix_name.h"
#include "engine/repetition_watch.h"
#include "engine/thought_watch.h"
#include "engine/token_stream.h"
#include "engine/token_times.h"
#include "ops/kv_cache.h"

namespace r1 {

struct Sequence {
  std::vector<int> tokens;  // prompt, then completion
  int n_prompt_tokens = 0;
  int n_computed = 0;             // tokens whose keys and values are in the cache
  int n_cached_tokens = 0;        // of the prompt: found in the cache at first admission
  int n_published = 0;            // leading blocks known to the prefix cache
  std::vector<PrefixName> names;  // the root of its account, then its full blocks' as far as they were needed
  bool admitted_before = false;   // preempted since: its usage was counted already
  std::vector<KvBlockId> blocks;
  std::optional<int> draft;  // a guess of the token behind the last (engine/drafter.h)

  SamplingParams sampling;
  int max_tokens = 0;  // of the completion, at least 1
  std::vector<int> end_ids;
  std::optional<ThoughtWatch> thought;
  std::optional<RepetitionWatch> repetition;
  TokenTimer timer;
  std::shared_ptr<TokenFilter> filter;

  bool scores_prompt = false;               // still to be done, or delivered
  std::vector<SampledToken> prompt_scores;  // of tokens[1], tokens[2], … of the prompt

  std::uint64_t account = 0;
  std::function<void(const Usage&)> on_over;  // see GenerateRequest
  std::shared_ptr<TokenChannel> channel;
  std::optional<StreamEvent> undelivered;  // the consumer's queue was full: not scheduled until this has gone
  std::optional<Finish> finish;            // decided, perhaps not yet delivered

  int n_tokens() const { return static_cast<int>(tokens.size()); }
  int n_unscored() const {  // of the prompt: tokens that are to be scored yet
    return scores_prompt ? n_prompt_tokens - 1 - static_cast<int>(prompt_scores.size()) : 0;
  }
  int n_completion_tokens() const { return n_tokens() - n_prompt_tokens; }
  Usage usage() const { return {n_prompt_tokens, n_cached_tokens, n_completion_tokens()}; }
};

}  // namespace r1
