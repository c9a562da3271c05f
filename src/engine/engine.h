// engine.h: the waist of r1.cpp. Above it products speak text and HTTP; below it is mathematics; through it go tokens.
//
// Homes: ModelEngine (engine/model_engine.h) runs a model; ScriptEngine (engine/script_engine.h) replays a script, so
// that all that is above can be tested without weights.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/histogram.h"
#include "base/result.h"
#include "engine/token_filter.h"
#include "engine/token_stream.h"

namespace r1 {

struct LogitBias {
  int id = 0;
  float bias = 0;
};

struct SamplingParams {
  float temperature = 1.0f;         // 0: greedy, the lowest id among equals
  int top_k = 0;                    // 0: off
  float top_p = 1.0f;               // smallest set of tokens with at least this probability
  float min_p = 0.0f;               // tokens with at least this share of the best one's probability
  float presence_penalty = 0.0f;    // subtracted once from every token generated so far
  float frequency_penalty = 0.0f;   // subtracted once per occurrence among the generated
  float repetition_penalty = 1.0f;  // divides positive, multiplies negative logits of tokens in prompt and answer
  std::vector<LogitBias> logit_bias;
  std::uint64_t seed = 0;   // same seed, same text, whatever else runs
  int n_top_logprobs = -1;  // -1: no logprobs; 0: of the sampled token only
};

// For answers that may hold a thought: ends one that goes on too long. After max_tokens of it, or when told, `closing`
// is written token by token in place of what would be sampled; then the answer goes on by itself.
struct ThoughtLimit {
  int max_tokens = -1;                 // -1: only when told
  bool begins_inside = false;          // the prompt ends in a thought
  std::vector<int> closing;            // not empty; leads out of the thought
  std::function<bool(int)> is_inside;  // whether the answer is in a thought after this token; called with each, in
                                       // order, on the engine's thread
  std::shared_ptr<const std::atomic<bool>> end_now;  // set from any thread; null: never
};

// What counts as repetition without end (engine/repetition_watch.h).
struct RepetitionLimit {
  int period_max = 512;
  int n_repetitions = 8;
  int n_tokens_min = 1024;
};

struct GenerateRequest {
  std::vector<int> prompt;  // not empty, ids below vocab_size
  SamplingParams sampling;
  int max_tokens = 0;        // 0: until the context is full
  std::vector<int> end_ids;  // tokens that end the answer
  std::optional<ThoughtLimit> thought = {};
  std::optional<RepetitionLimit> repetition = {};  // beyond it the answer ends, with kRepetition
  // Requests that wait are taken from accounts in turn, and cached prefixes are an account's own; the engine knows no
  // more of them. 0: of requests without an account.
  std::uint64_t account = 0;
  // What the model thought of each token of the prompt, reported as sampling.n_top_logprobs says for the answer's, in
  // the first event. All of the prompt is computed for it, whatever is cached.
  bool scores_prompt = false;
  std::shared_ptr<TokenFilter> filter = nullptr;  // of this answer alone; null: anything may be sampled
  std::function<void()> on_event;                 // see TokenChannel
  // What was computed in all, whether somebody has read it or not: called once, on the engine's thread, when no more
  // tokens will come. Not called, but destroyed, when the engine ends before it has looked at the request.
  std::function<void(const Usage&)> on_over = {};
};

struct EngineStats {
  int n_running = 0, n_waiting = 0;
  std::int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;  // since the start
  std::int64_t drafted_tokens = 0, accepted_tokens = 0;  // guesses that were checked, and that were right
  // Of experts that tokens needed, sampled, and of these what was in memory (engine/expert_watch.h). 0: not known.
  std::int64_t expert_bytes_needed = 0, expert_bytes_resident = 0;
  int kv_blocks_total = 0, kv_blocks_free = 0;
  HistogramCounts to_first_token, between_tokens;
  std::array<std::int64_t, kFinishReasons> finished{};  // answers, by FinishReason
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Thread-safe, does not wait. Errors: kInvalidInput for an empty prompt, one that leaves no room in the context, or
  // an id beyond the vocabulary; kOutOfResource when the queue is full: try again later.
  virtual Result<TokenStream> submit(GenerateRequest request) = 0;

  // For good: no request will be answered any more, and whoever has loaded it should do so anew.
  virtual bool is_broken() const { return false; }

  virtual int context_length() const = 0;  // tokens of prompt and answer together
  virtual EngineStats stats() const = 0;
};

}  // namespace r1
