// token_stream.h: one generation's way from the engine's thread to its consumer: a bounded queue of tokens, then an
// end.
//
// The engine pushes, one consumer takes. A consumer that is slow fills its queue and is then not scheduled until it has
// taken some: it delays only itself. A TokenStream that is destroyed cancels its generation.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/bounded_queue.h"
#include "base/result.h"

namespace r1 {

struct TokenLogprob {
  int id = 0;
  float logprob = 0;  // natural logarithm
};

struct SampledToken {
  int id = 0;
  float logprob = 0;  // of this token, under the model's own distribution: before temperature, penalties, filters
  std::vector<TokenLogprob> top;  // best first, as many as asked for
};

enum class FinishReason { kStop, kLength, kCancelled, kError, kRepetition };
inline constexpr std::size_t kFinishReasons = 5;

struct Usage {
  int prompt_tokens = 0;      // cached ones among them
  int cached_tokens = 0;      // prompt tokens whose cache entries were found, not computed
  int completion_tokens = 0;  // the token that ended the answer among them
};

struct Finish {
  FinishReason reason = FinishReason::kStop;
  Usage usage;
  Error error;  // for kError
};

// A token, an end, or both: the last event has the finish, and the last token with it if one was made.
struct StreamEvent {
  std::optional<SampledToken> token;
  std::optional<Finish> finish;
  std::vector<SampledToken> prompt = {};  // [prompt tokens - 1] from its second on; in the first event, if asked for
};

// The part both ends hold.
struct TokenChannel {
  static constexpr std::size_t kCapacity = 256;
  BoundedQueue<StreamEvent> events{kCapacity};
  std::atomic<bool> cancelled = false;
  std::atomic<int> n_cached_tokens = 0;  // of the prompt; set before the first event
  std::function<void()>
      on_event;  // set before submission; called on the engine's thread after each event; must not block
};

class TokenStream {
 public:
  explicit TokenStream(std::shared_ptr<TokenChannel> channel) : channel_(std::move(channel)) {}
  TokenStream(TokenStream&&) noexcept = default;
  TokenStream& operator=(TokenStream&& other) noexcept {
    cancel();
    channel_ = std::move(other.channel_);
    return *this;
  }
  ~TokenStream() { cancel(); }

  // Empty when there is nothing yet. Both: when the engine closed the channel, a cancelled finish.
  std::optional<StreamEvent> try_next() {
    const bool was_closed = channel_->events.closed();  // asked first: nothing comes in after that
    if (auto event = channel_->events.try_pop()) return event;
    return was_closed ? std::optional(cancelled_finish()) : std::nullopt;
  }
  StreamEvent next() {  // waits
    if (auto event = channel_->events.pop()) return *std::move(event);
    return cancelled_finish();
  }

  // Known before the Finish says it: for an answer that is given up.
  int n_cached_tokens() const { return channel_->n_cached_tokens.load(std::memory_order_relaxed); }

  // The engine stops within one step and sends a Finish with kCancelled, unless it had already finished.
  void cancel() {
    if (channel_) channel_->cancelled.store(true, std::memory_order_relaxed);
  }

 private:
  static StreamEvent cancelled_finish() {
    return {.token = {}, .finish = Finish{.reason = FinishReason::kCancelled, .usage = {}, .error = {}}};
  }
  std::shared_ptr<TokenChannel> channel_;
};

}  // namespace r1
