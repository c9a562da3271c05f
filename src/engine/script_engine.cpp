// script_engine.cpp: all running sequences take steps in turn, as a batch would; one that waits or whose reader is slow
// is passed over.
#include "engine/script_engine.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "engine/repetition_watch.h"
#include "engine/thought_watch.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kOpsPerStepMax = 256;  // a loop without tokens shall not hold the others up

// How long until waits, readers and cancellations are looked at again; longer where there are thousands to look at.
int tick_ms(std::size_t n_running) { return static_cast<int>(std::min<std::size_t>(1 + n_running / 256, 20)); }

Clock::time_point after_ms(int ms) { return Clock::now() + std::chrono::milliseconds(ms); }

TokenLogprob made_up(int id, int rank) { return {id, -0.125f * static_cast<float>(1 + rank + id % 4)}; }

SampledToken reported(int id, int n_top) {
  SampledToken token;
  token.id = id;
  if (n_top >= 0) token.logprob = made_up(id, 0).logprob;
  for (int rank = 0; rank < n_top; ++rank)
    token.top.push_back(rank == 0 ? made_up(id, 0) : made_up((id + rank) % 256, rank));
  return token;
}

}  // namespace

struct ScriptEngine::Sequence {
  std::shared_ptr<TokenChannel> channel;
  GenerateRequest request;
  const ScriptAnswer* answer = nullptr;
  std::size_t next_op = 0;
  struct Loop {
    std::size_t first_op;
    int n_left;
  };
  std::vector<Loop> loops;
  Clock::time_point due{};               // nothing happens before
  std::vector<StreamEvent> undelivered;  // at most a token and a finish
  Usage usage;
  std::optional<ThoughtWatch> thought;
  std::optional<RepetitionWatch> repetition;
  TokenTimer timer;
  bool finished = false;  // its Finish is delivered or in `undelivered`
};

ScriptEngine::ScriptEngine(Script script)
    : script_(std::move(script)),
      submitted_(static_cast<std::size_t>(script_.n_parallel) + static_cast<std::size_t>(script_.n_queued_max)),
      thread_([this] { run(); }) {}

ScriptEngine::~ScriptEngine() {
  closing_ = true;
  submitted_.close();
  thread_.join();
}

Result<TokenStream> ScriptEngine::submit(GenerateRequest request) {
  const int n_prompt = static_cast<int>(request.prompt.size());
  if (n_prompt == 0) return Error{ErrorCode::kInvalidInput, "the prompt is empty"};
  if (n_prompt >= script_.context_length) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("the prompt has {} tokens and the context holds {}", n_prompt, script_.context_length)};
  }
  for (const int id : request.prompt) {
    if (id < 0 || id >= static_cast<int>(script_.vocabulary.size())) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("token id {} is not below the vocabulary's {}", id, script_.vocabulary.size())};
    }
  }
  if (n_unfinished_.fetch_add(1) >= script_.n_parallel + script_.n_queued_max) {
    --n_unfinished_;
    return Error{ErrorCode::kOutOfResource, "the queue is full"};
  }
  auto sequence = std::make_unique<Sequence>();
  sequence->channel = std::make_shared<TokenChannel>();
  sequence->channel->on_event = std::move(request.on_event);
  if (request.thought) sequence->thought.emplace(*std::move(request.thought));
  if (request.repetition && script_.detects_repetition) sequence->repetition.emplace(*request.repetition);
  sequence->request = std::move(request);
  TokenStream stream(sequence->channel);
  submitted_.try_push(std::move(sequence));  // has room: n_unfinished_ saw to it
  return stream;
}

EngineStats ScriptEngine::stats() const {
  const int n_running = n_running_, n_unfinished = n_unfinished_;
  EngineStats stats;
  stats.n_running = n_running;
  stats.n_waiting = std::max(0, n_unfinished - n_running);
  stats.prompt_tokens = prompt_tokens_;
  stats.cached_tokens = cached_tokens_;
  stats.completion_tokens = completion_tokens_;
  stats.to_first_token = times_.to_first.counts();
  stats.between_tokens = times_.between.counts();
  stats.finished = times_.finished_counts();
  return stats;
}

void ScriptEngine::run() {
  for (bool is_busy = false; !closing_;) {
    const bool is_idle = running_.empty() && waiting_.empty();
    auto next = is_idle   ? submitted_.pop()
                : is_busy ? submitted_.try_pop()
                          : submitted_.pop_for(tick_ms(running_.size()));
    for (; next; next = submitted_.try_pop()) wait(std::move(*next));
    is_busy = step_all();
  }
  while (auto next = submitted_.try_pop()) wait(std::move(*next));
  for (const auto& sequence : running_) finish(*sequence, FinishReason::kCancelled);
  waiting_.for_each([&](const auto& sequence) { finish(*sequence, FinishReason::kCancelled); });
}

void ScriptEngine::wait(std::unique_ptr<Sequence> sequence) {
  const std::uint64_t account = sequence->request.account;
  waiting_.push(account, std::move(sequence));
}

bool ScriptEngine::step_all() {
  bool something = false;
  // Those that wait can be cancelled too.
  waiting_.erase_if([&](const std::unique_ptr<Sequence>& sequence) {
    if (!sequence->channel->cancelled) return false;
    finish(*sequence, FinishReason::kCancelled);
    --n_unfinished_;
    return true;
  });
  while (!waiting_.empty() && static_cast<int>(running_.size()) < script_.n_parallel) {
    admit(waiting_.pop());
  }
  std::erase_if(running_, [&](const std::unique_ptr<Sequence>& sequence) {
    something |= step(*sequence);
    const bool reader_left = sequence->channel.use_count() == 1;
    const bool over = sequence->finished && (sequence->undelivered.empty() || reader_left);
    if (over) {
      --n_running_;
      --n_unfinished_;
    }
    return over;
  });
  return something;
}

void ScriptEngine::admit(std::unique_ptr<Sequence> sequence) {
  sequence->answer = choose(sequence->request.prompt);
  sequence->usage.prompt_tokens = static_cast<int>(sequence->request.prompt.size());
  if (sequence->answer != nullptr) {
    sequence->usage.cached_tokens = std::min(sequence->answer->cached_tokens, sequence->usage.prompt_tokens);
  }
  sequence->channel->n_cached_tokens = sequence->usage.cached_tokens;
  prompt_tokens_ += sequence->usage.prompt_tokens;
  cached_tokens_ += sequence->usage.cached_tokens;
  ++n_running_;
  running_.push_back(std::move(sequence));
}

const ScriptAnswer* ScriptEngine::choose(const std::vector<int>& prompt) {
  const std::string asked = script_.last_user_message(prompt);
  std::vector<const ScriptAnswer*> for_any;
  for (const ScriptAnswer& answer : script_.answers) {
    if (answer.when.empty())
      for_any.push_back(&answer);
    else if (asked.find(answer.when) != std::string::npos)
      return &answer;
  }
  return for_any.empty() ? nullptr : for_any[turn_++ % for_any.size()];
}

bool ScriptEngine::step(Sequence& sequence) {
  const bool is_stuck = !deliver(sequence);
  if (!sequence.finished && sequence.channel->cancelled) finish(sequence, FinishReason::kCancelled);
  if (is_stuck || sequence.finished) return false;
  if (sequence.answer == nullptr) {
    finish(sequence, FinishReason::kError, "the script has no answer to this prompt");
    return true;
  }
  return sequence.due <= Clock::now() && play(sequence);
}

// Plays up to the next token, wait or end.
bool ScriptEngine::play(Sequence& sequence) {
  if (const auto forced = sequence.thought ? sequence.thought->forced() : std::nullopt) {
    emit_token(sequence, *forced);
    if (sequence.thought->has_closed()) skip_thought(sequence);
    return true;
  }
  for (int i = 0; i < kOpsPerStepMax; ++i) {
    const ScriptOp& op = sequence.answer->ops[sequence.next_op++];
    switch (op.kind) {
      case ScriptOp::Kind::kToken:
        emit_token(sequence, op.number);
        return true;
      case ScriptOp::Kind::kWait:
        sequence.due = after_ms(op.number);
        return true;
      case ScriptOp::Kind::kFail:
        finish(sequence, FinishReason::kError, op.text);
        return true;
      case ScriptOp::Kind::kLength:
        finish(sequence, FinishReason::kLength);
        return true;
      case ScriptOp::Kind::kStop:
        emit_token(sequence, Script::kEndId);
        finish(sequence, FinishReason::kStop);  // also for a caller that names other end ids
        return true;
      case ScriptOp::Kind::kStall:
        --sequence.next_op;
        return false;
      case ScriptOp::Kind::kLoop:
        sequence.loops.push_back({sequence.next_op, op.number});
        break;
      case ScriptOp::Kind::kEndLoop:
        if (--sequence.loops.back().n_left > 0)
          sequence.next_op = sequence.loops.back().first_op;
        else
          sequence.loops.pop_back();
        break;
    }
  }
  return true;
}

// A thought that was closed from outside leaves out what the script would still have thought, up to its </think>.
void ScriptEngine::skip_thought(Sequence& sequence) const {
  const std::vector<ScriptOp>& ops = sequence.answer->ops;
  const int closing = script_.find("</think>");
  std::vector<Sequence::Loop> loops = sequence.loops;
  for (std::size_t i = sequence.next_op; i < ops.size(); ++i) {
    if (ops[i].kind == ScriptOp::Kind::kLoop) loops.push_back({i + 1, ops[i].number});
    if (ops[i].kind == ScriptOp::Kind::kEndLoop) loops.pop_back();
    if (ops[i].kind != ScriptOp::Kind::kToken || ops[i].number != closing) continue;
    sequence.next_op = i + 1;
    sequence.loops = std::move(loops);
    return;
  }
}

void ScriptEngine::emit_token(Sequence& sequence, int id) {
  const GenerateRequest& request = sequence.request;
  SampledToken token = reported(id, request.sampling.n_top_logprobs);
  sequence.undelivered.push_back({std::move(token), std::nullopt});
  if (request.scores_prompt && sequence.usage.completion_tokens == 0) {
    for (std::size_t i = 1; i < request.prompt.size(); ++i)
      sequence.undelivered.back().prompt.push_back(reported(request.prompt[i], request.sampling.n_top_logprobs));
  }
  if (sequence.thought) sequence.thought->take(id);
  ++sequence.usage.completion_tokens;
  ++completion_tokens_;
  sequence.timer.take(times_);
  const int n_tokens = sequence.usage.prompt_tokens + sequence.usage.completion_tokens;
  if (std::find(request.end_ids.begin(), request.end_ids.end(), id) != request.end_ids.end()) {
    finish(sequence, FinishReason::kStop);
  } else if (sequence.repetition && sequence.repetition->take(id)) {
    finish(sequence, FinishReason::kRepetition);
  } else if (sequence.usage.completion_tokens == request.max_tokens || n_tokens >= script_.context_length) {
    finish(sequence, FinishReason::kLength);
  } else {
    deliver(sequence);
  }
  if (sequence.answer->ms_per_token > 0) sequence.due = after_ms(sequence.answer->ms_per_token);
}

void ScriptEngine::finish(Sequence& sequence, FinishReason reason, std::string message) {
  if (sequence.finished) return;
  sequence.finished = true;
  times_.count(reason);
  if (sequence.request.on_over) sequence.request.on_over(sequence.usage);
  Finish end{reason, sequence.usage, {}};
  if (reason == FinishReason::kError) end.error = {ErrorCode::kInternal, std::move(message)};
  sequence.undelivered.push_back({std::nullopt, std::move(end)});
  deliver(sequence);
}

// False while the reader's queue is full.
bool ScriptEngine::deliver(Sequence& sequence) {
  std::size_t n_delivered = 0;
  while (n_delivered < sequence.undelivered.size() &&
         sequence.channel->events.try_push(std::move(sequence.undelivered[n_delivered]))) {
    ++n_delivered;
    if (sequence.channel->on_event) sequence.channel->on_event();
  }
  sequence.undelivered.erase(sequence.undelivered.begin(),
                             sequence.undelivered.begin() + static_cast<std::ptrdiff_t>(n_delivered));
  return sequence.undelivered.empty();
}

}  // namespace r1
