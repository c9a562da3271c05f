// generation.h: one request at work: its n answers, from the engine's token streams to pieces of text, usage and ends.
//
// Streamed and whole answers are made from the same pieces, so they say the same. Pulled from on the io thread; the
// engine wakes the puller. Destroying it cancels what still runs. With a Meter, the last piece comes when what the
// request has used is settled, and a ledger that fails is a failure of the answer.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "grammar/token_masks.h"
#include "serve/completion_request.h"
#include "serve/meter.h"
#include "serve/served_model.h"
#include "text/answer_stream.h"

namespace r1 {

struct TokenReport {
  struct Alternative {
    std::string bytes;
    float logprob;
  };
  std::string bytes;
  float logprob = 0;
  std::vector<Alternative> top;
  bool is_in_text = true;   // false: a control token
  bool has_logprob = true;  // false: a prompt's first, which nothing came before
};

// What one answer grew by. Its parts come in this order.
struct AnswerPiece {
  int index = 0;                                            // which of the n answers
  SplitText text;                                           // the answer without the calls in it
  std::vector<ToolCallDelta> calls;                         // behind the text
  std::vector<TokenReport> prompt_tokens = {};              // before all else: when they are scored
  std::vector<TokenReport> thinking_tokens, answer_tokens;  // when logprobs were asked for
  std::string_view finish_reason;                           // "stop", "length", "tool_calls", …; "" before the end
  std::string_view finish_detail;                           // what no finish_reason says; "": nothing
  std::string stop_string = {};                             // of those asked for: the one that ended it
};

struct UsageReport {
  int prompt_tokens = 0, cached_tokens = 0;
  int completion_tokens = 0, reasoning_tokens = 0;  // of all n answers
};

class Generation {
 public:
  Generation(Generation&&) noexcept = default;
  Generation& operator=(Generation&&) noexcept = default;

  // Submits the request's n answers, or none, held to the grammar of `masks` if there are. `on_event` is called from
  // the engine's and the ledger's thread; `meter` may be null.
  static Result<Generation> start(const ServedModel& model, const CompletionRequest& request, const Prompt& prompt,
                                  const std::function<void()>& on_event, std::shared_ptr<Meter> meter = nullptr,
                                  const std::shared_ptr<TokenMasks>& masks = nullptr);

  // The next piece, of whichever answer has one; nothing when there is none now, at the end, and after a failure.
  std::optional<AnswerPiece> next();
  // Gives up what still runs; its last pieces, with what was held back. Then it is done, and settled before the process
  // ends.
  std::vector<AnswerPiece> give_up();
  bool done() const { return n_unfinished_ == 0 && !last_piece_; }
  const std::optional<Error>& failure() const { return failure_; }
  UsageReport usage() const;  // complete when done

  // An answer that nobody will be sent, through no fault of its client, is not charged.
  void waive(std::string rule);

  // Set to true from any thread, it ends the thinking of all answers. Lives as long as the generation.
  const std::shared_ptr<std::atomic<bool>>& end_thinking() const { return end_thinking_; }

 private:
  struct Answer {
    TokenStream tokens;
    AnswerStream text;
    std::optional<ToolCallParser> calls;                                // when there are tools to call
    std::vector<TokenReport> thinking_tokens = {}, answer_tokens = {};  // whose text is still held back
    Usage usage = {};
    bool finished = false, is_first_event = true;
  };

  Generation(const ServedModel& model, const CompletionRequest& request)
      : model_(model.keeps),
        tokenizer_(model.tokenizer),
        is_stream_(request.stream),
        logprobs_(request.logprobs),
        scores_prompt_(request.scores_prompt()) {}

  std::optional<AnswerPiece> next_of(std::size_t index);
  std::optional<AnswerPiece> settled_piece();
  void settle();
  void take_token(Answer& answer, const SampledToken& token, AnswerPiece& piece);
  void take_finish(Answer& answer, const Finish& finish, AnswerPiece& piece);
  void take_rest(Answer& answer, AnswerPiece& piece);
  void report_prompt(std::vector<SampledToken>& scores, AnswerPiece& piece) const;
  TokenReport report_of(const SampledToken& token) const;
  static void find_calls(Answer& answer, AnswerPiece& piece);
  void report_token(Answer& answer, const SampledToken& token, bool is_thinking) const;

  std::shared_ptr<const void> model_;  // holds it; released last
  const Tokenizer* tokenizer_;
  bool is_stream_, logprobs_, scores_prompt_;  // of the request, which is not kept: thousands of streams may wait
  int first_prompt_id_ = -1;
  std::vector<Answer> answers_;
  std::size_t turn_ = 0;
  int n_unfinished_ = 0;
  std::optional<Error> failure_;
  std::function<void()> on_event_;
  std::shared_ptr<Meter> meter_;
  std::optional<AnswerPiece> last_piece_;  // kept back until its usage is settled
  std::shared_ptr<std::atomic<bool>> end_thinking_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace r1
