// meter.cpp: closing holds, now or later.
#include "serve/meter.h"

#include <utility>

#include <fmt/format.h>

#include "base/log.h"

namespace r1 {
namespace {

constexpr const char* kNothing = "nothing was produced";
constexpr const char* kUndelivered = "not delivered: the ledger could not be written when the answer was complete";

}  // namespace

HoldCloser::~HoldCloser() {
  for (const HoldClosing& closing : kept_)
    log_error(
        fmt::format("hold {} stays open: the ledger could not be written; the next server voids it", closing.hold_id));
}

void HoldCloser::close(HoldClosing closing, Done done) {
  const std::int64_t hold_id = closing.hold_id;
  const std::optional<MeteredTokens> tokens = closing.tokens;
  const std::string rule = closing.rule;
  const auto on_status = [this, closing = std::move(closing), done = std::move(done)](const Status& status) {
    after(closing, status);
    if (done) done(status);
  };
  if (!tokens) return ledger_.void_hold(hold_id, rule, on_status);
  ledger_.settle(hold_id, *tokens, [on_status](const Result<Receipt>& receipt) {
    on_status(receipt.ok() ? Status() : Status(receipt.error()));
  });
}

void HoldCloser::after(HoldClosing closing, const Status& status) {
  if (status.ok()) return;
  log_error(fmt::format("closing hold {}: {}", closing.hold_id, status.error().message));
  // Not open: an earlier try has counted after all. Too dear for its hold: would be so at every try.
  const bool is_over = status.error().code == ErrorCode::kNotFound || status.error().code == ErrorCode::kInvalidInput;
  if (is_over) return;
  if (!closing.is_delivered) {
    closing.tokens.reset();
    closing.rule = kUndelivered;
  }
  const std::lock_guard lock(mutex_);
  kept_.push_back(std::move(closing));
}

void HoldCloser::retry() {
  std::vector<HoldClosing> again;
  {
    const std::lock_guard lock(mutex_);
    again.swap(kept_);
  }
  for (HoldClosing& closing : again) close(std::move(closing), nullptr);
}

std::size_t HoldCloser::n_kept() const {
  const std::lock_guard lock(mutex_);
  return kept_.size();
}

// The counts were written by threads that have let go of the meter since: that orders them before this.
Meter::~Meter() {
  if (outcome_) return;
  HoldClosing closing{.hold_id = hold_id_, .tokens = {}, .rule = waived_};
  if (waived_.empty() && produced_.completion > 0)
    closing.tokens = produced_;
  else if (waived_.empty())
    closing.rule = kNothing;
  closer_.close(std::move(closing), nullptr);
}

// The prompt was sent once, however many answers are made of it. It counts with the first token: before that, a client
// that leaves has got nothing.
void Meter::take(const Usage& usage, int index) {
  produced_.completion += usage.completion_tokens;
  produced_.prompt = usage.prompt_tokens;
  if (index == 0) produced_.cached = usage.cached_tokens;
}

void Meter::settle(const MeteredTokens& tokens, bool is_delivered, const std::function<void()>& on_settled) {
  outcome_ = std::make_shared<BoundedQueue<Status>>(1);
  HoldClosing closing{.hold_id = hold_id_, .tokens = tokens, .rule = {}, .is_delivered = is_delivered};
  closer_.close(std::move(closing), [outcome = outcome_, on_settled](const Status& status) {
    outcome->try_push(Status(status));
    on_settled();
  });
}

std::optional<Status> Meter::settled() { return outcome_ ? outcome_->try_pop() : std::nullopt; }

void Meter::waive(std::string rule) { waived_ = std::move(rule); }

}  // namespace r1
