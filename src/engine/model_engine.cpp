// model_engine.cpp: the loop, and the two ends of a generation: admission and finish.
#include "engine/model_engine.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernels/float_ops.h"

namespace r1 {
namespace {

constexpr const char* kDamaged =
    "the model's files were changed or can't be read any more; the server's log says which";
constexpr int kSpillPollMs = 5;                     // how soon the disk is noticed to have taken some
constexpr std::int64_t kLookPeriodNs = 20'000'000;  // while a pass runs: at those who wait and may have gone
constexpr int kStalledPollMs = 2;  // how soon a consumer that had filled its queue is noticed to have taken some

SchedulerLimits scheduler_limits(const Model& model, const ModelEngineOptions& options) {
  return {.max_running = options.max_running,
          .publish_completions = !model.config.is_deepseek(),
          .reuse_prefixes = options.reuse_prefixes};
}

// A broken weight or cache shows as NaN or infinity in the logits; sampling from them would give plausible nonsense.
bool all_finite(std::span<const float> logits) {
  return std::isfinite(dot(logits.data(), logits.data(), static_cast<std::int64_t>(logits.size())));
}

}  // namespace

Result<std::unique_ptr<ModelEngine>> ModelEngine::start(const Model& model, ModelEngineOptions options) {
  if (options.context_length <= 0) options.context_length = model.config.context_length;
  if (options.draft && !model.weights.mtp) {
    return Error{ErrorCode::kUnsupported, "the model has no layer for multi-token prediction, which drafts come from"};
  }
  const KvLayout kv_layout = model.config.kv_layout(options.kv_dtype, options.draft);
  const std::int64_t block_bytes = kv_layout.block_bytes();
  const std::int64_t one_context = (options.context_length + KvCache::kBlockTokens - 1) / KvCache::kBlockTokens;
  const std::int64_t n_blocks = options.kv_bytes > 0 ? options.kv_bytes / block_bytes : one_context;
  if (n_blocks < one_context || n_blocks > INT32_MAX) {
    return Error{
        ErrorCode::kOutOfResource,
        fmt::format(
            "a context of {} tokens needs {:.1f} MiB of cache, the budget is {:.1f} MiB; ask for a shorter context",
            options.context_length, static_cast<double>(one_context * block_bytes) / 0x1p20,
            static_cast<double>(options.kv_bytes) / 0x1p20)};
  }
  std::string fingerprint;
  std::unique_ptr<PrefixStore> store;
  if (!options.prefix_folder.empty()) {
    fingerprint = cache_fingerprint(model, kv_layout);
    R1_TRY(store, PrefixStore::open({options.prefix_folder, options.prefix_bytes, block_bytes, fingerprint}));
  }
  return std::unique_ptr<ModelEngine>(
      new ModelEngine(model, options, static_cast<int>(n_blocks), std::move(fingerprint), std::move(store)));
}

ModelEngine::ModelEngine(const Model& model, const ModelEngineOptions& options, int n_blocks, std::string fingerprint,
                         std::unique_ptr<PrefixStore> store)
    : model_(model),
      context_length_(options.context_length),
      max_waiting_(options.max_waiting + options.max_running),
      share_prefixes_(options.share_prefixes),
      fingerprint_(std::move(fingerprint)),
      pool_(options.n_threads, options.placement),
      kv_(model.config.kv_layout(options.kv_dtype, options.draft), n_blocks),
      forward_(model.config, model.weights),
      spill_(store ? std::make_unique<PrefixSpill>(std::move(store), kv_) : nullptr),
      scheduler_(scheduler_limits(model, options), n_blocks, spill_.get()),
      drafter_(options.draft ? std::make_optional<Drafter>(forward_, pool_, arena_, kv_) : std::nullopt),
      pace_(model.config.n_layers, options.max_rows),
      expert_watch_(model),
      submissions_(static_cast<std::size_t>(max_waiting_)),
      n_blocks_free_(n_blocks),
      thread_([this] { run(); }) {}

ModelEngine::~ModelEngine() {
  closing_.store(true);
  submissions_.close();
  thread_.join();
}

Status ModelEngine::check(const GenerateRequest& request) const {
  if (request.prompt.empty()) return Error{ErrorCode::kInvalidInput, "the prompt is empty"};
  const auto n_prompt = static_cast<std::int64_t>(request.prompt.size());
  if (n_prompt >= context_length_) {
    return Error{ErrorCode::kInvalidInput, fmt::format("the prompt has {} tokens, the context holds {} with the answer",
                                                       n_prompt, context_length_)};
  }
  const auto beyond = [&](int id) { return id < 0 || id >= model_.config.vocab_size; };
  if (const auto id = std::find_if(request.prompt.begin(), request.prompt.end(), beyond); id != request.prompt.end()) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("token id {} in the prompt, the vocabulary has {}", *id, model_.config.vocab_size)};
  }
  if (request.thought && std::any_of(request.thought->closing.begin(), request.thought->closing.end(), beyond))
    return Error{ErrorCode::kInvalidInput, "a token that closes the thought is beyond the vocabulary"};
  for (const LogitBias& bias : request.sampling.logit_bias) {
    if (beyond(bias.id)) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("token id {} in logit_bias, the vocabulary has {}", bias.id, model_.config.vocab_size)};
    }
  }
  return {};
}

Result<TokenStream> ModelEngine::submit(GenerateRequest request) {
  if (model_.damage()) return Error{ErrorCode::kIo, kDamaged};
  R1_TRY_STATUS(check(request));
  auto sequence = std::make_unique<Sequence>();
  sequence->n_prompt_tokens = static_cast<int>(request.prompt.size());
  sequence->tokens = std::move(request.prompt);
  sequence->names = {prefix_root(fingerprint_, share_prefixes_ ? 0 : request.account)};
  sequence->sampling = std::move(request.sampling);
  const int room = context_length_ - sequence->n_prompt_tokens;
  sequence->max_tokens = request.max_tokens > 0 ? std::min(request.max_tokens, room) : room;
  sequence->end_ids = std::move(request.end_ids);
  if (request.thought) sequence->thought.emplace(*std::move(request.thought));
  if (request.repetition) sequence->repetition.emplace(*request.repetition);
  sequence->scores_prompt = request.scores_prompt && sequence->n_prompt_tokens > 1;
  sequence->account = request.account;
  sequence->on_over = std::move(request.on_over);
  sequence->filter = std::move(request.filter);
  sequence->channel = std::make_shared<TokenChannel>();
  sequence->channel->on_event = std::move(request.on_event);
  TokenStream stream(sequence->channel);
  if (n_unfinished_.fetch_add(1) >= max_waiting_ || !submissions_.try_push(std::move(sequence))) {
    n_unfinished_.fetch_sub(1);
    return Error{ErrorCode::kOutOfResource, fmt::format("{} generations are waiting already", max_waiting_)};
  }
  return stream;
}

EngineStats ModelEngine::stats() const {
  const int n_running = n_running_.load(), n_unfinished = n_unfinished_.load();
  const ExpertBytes experts = expert_watch_.bytes();
  return {.n_running = n_running,
          .n_waiting = std::max(0, n_unfinished - n_running),
          .prompt_tokens = prompt_tokens_.load(),
          .cached_tokens = cached_tokens_.load(),
          .completion_tokens = completion_tokens_.load(),
          .drafted_tokens = drafted_tokens_.load(),
          .accepted_tokens = accepted_tokens_.load(),
          .expert_bytes_needed = experts.needed,
          .expert_bytes_resident = experts.resident,
          .kv_blocks_total = kv_.n_blocks(),
          .kv_blocks_free = n_blocks_free_.load(),
          .to_first_token = times_.to_first.counts(),
          .between_tokens = times_.between.counts(),
          .finished = times_.finished_counts()};
}

void ModelEngine::run() {
  while (take_submissions()) {
    scheduler_.remove_finished([&](Sequence& sequence) { return retire(sequence); });
    ScheduledBatch batch = scheduler_.next_batch(pace_.rows());
    is_stalled_ = batch.empty();
    if (!is_stalled_) step(batch);
    if (spill_) spill_->write_some(scheduler_.pool());
    update_stats();
  }
  scheduler_.for_each([&](Sequence& sequence) {
    if (!sequence.finish) sequence.finish = Finish{FinishReason::kCancelled, sequence.usage(), {}};
    if (!sequence.undelivered) deliver(sequence, {.token = {}, .finish = sequence.finish});
    if (sequence.on_over) sequence.on_over(sequence.usage());
    sequence.channel->events.close();
    if (sequence.channel->on_event) sequence.channel->on_event();
  });
  if (spill_) spill_->write_rest(scheduler_.pool());
}

// Waits while there is nothing to do: those that run may all have slow consumers, with others waiting for their places.
// False when the engine is closing.
bool ModelEngine::take_submissions() {
  const bool idle = scheduler_.n_running() + scheduler_.n_waiting() == 0;
  std::optional<std::unique_ptr<Sequence>> next;
  if (idle && spill_ && spill_->is_pending())
    next = submissions_.pop_for(kSpillPollMs);
  else if (idle)
    next = submissions_.pop();
  else if (is_stalled_)
    next = submissions_.pop_for(kStalledPollMs);
  else
    next = submissions_.try_pop();
  for (; next; next = submissions_.try_pop()) scheduler_.add(std::move(*next));
  return !closing_.load();
}

// A pass of many rows through a large model takes seconds. Whoever has gone is let go before the next layer: its rows
// are not computed any further, and its place and its blocks are free. What a row is computed to doesn't depend on the
// rows beside it, so the others' results stay the same to the last bit.
bool ModelEngine::let_go(ScheduledBatch& batch) {
  const auto has_gone = [](const Sequence& s) { return s.channel->cancelled.load(std::memory_order_relaxed); };
  std::optional<std::vector<int>> kept = batch.drop(has_gone);
  const std::int64_t now = monotonic_ns();
  if (!kept && now < next_look_ns_) return false;
  next_look_ns_ = now + kLookPeriodNs;
  // Not those in the batch, of which one may have gone just now: its rows are being computed.
  scheduler_.remove_finished([&](Sequence& sequence) { return !batch.holds(sequence) && retire(sequence); });
  update_stats();
  if (!kept) return false;
  kept_rows_ = *std::move(kept);
  return true;
}

// No data: nobody wants these rows any more. `hidden` is for the drafter.
Tensor ModelEngine::forward(ScheduledBatch& batch, Tensor& hidden) {
  Batch view = batch.view();
  const auto ask = [&]() -> std::optional<std::span<const int>> {
    if (!let_go(batch)) return std::nullopt;
    view = batch.view();
    return kept_rows_;
  };
  const FunctionRef<std::optional<std::span<const int>>()> wanted_rows(ask);
  const auto watch = [&](int layer, std::span<const std::int32_t> ids) { expert_watch_.routed(layer, ids); };
  const FunctionRef<void(int, std::span<const std::int32_t>)> on_route(watch);
  Pass pass{.pool = pool_, .arena = arena_, .batch = view, .kv = kv_, .wanted_rows = &wanted_rows};
  if (expert_watch_.begin_pass()) pass.on_route = &on_route;
  if (!drafter_) return forward_(pass);
  hidden = forward_.hidden(pass);
  return hidden.data == nullptr ? Tensor{} : forward_.logits(pass, hidden, view.logits_rows);
}

void ModelEngine::step(ScheduledBatch& batch) {
  const ArenaScope scope(arena_);
  const int n_rows = batch.n_rows();
  const std::int64_t begun_ns = monotonic_ns();
  Tensor hidden;
  const Tensor logits = forward(batch, hidden);
  if (logits.data == nullptr) return;
  if (batch.n_rows() == n_rows) pace_.take(n_rows, monotonic_ns() - begun_ns);
  if (const auto damage = model_.damage()) return end_all(batch, *damage);
  scheduler_.commit(batch);
  for (std::size_t row = 0; row < batch.sampled.size(); ++row) {
    const auto& [sequence, next_position, follows_draft] = batch.sampled[row];
    if (follows_draft && !accept_draft(*sequence)) continue;
    if (sequence->finish) continue;  // an earlier row of it was at fault
    take(*sequence, next_position,
         {logits.row(static_cast<std::int64_t>(row)), static_cast<std::size_t>(logits.n_cols())});
  }
  if (drafter_) drafter_->follow(batch, hidden);
}

// Of a model whose files changed under it: nothing that was computed is worth anything. The path is for the operator.
void ModelEngine::end_all(const ScheduledBatch& batch, const Error& damage) {
  log_error(damage.message);
  for (const ScheduledBatch::Computed& computed : batch.computed)
    if (!computed.sequence->finish) end(*computed.sequence, FinishReason::kError, {ErrorCode::kIo, kDamaged});
}

// Whether the token just sampled is the draft, so that the row behind it counts too.
bool ModelEngine::accept_draft(Sequence& sequence) {
  drafted_tokens_.fetch_add(1);
  if (sequence.finish || sequence.undelivered || sequence.tokens.back() != *sequence.draft) return false;
  accepted_tokens_.fetch_add(1);
  ++sequence.n_computed;
  return true;
}

// The score of a prompt's token, or the sequence's next token, or its end.
void ModelEngine::take(Sequence& sequence, int next_position, std::span<const float> logits) {
  if (!all_finite(logits)) {
    return end(sequence, FinishReason::kError,
               {ErrorCode::kInternal, "the model's logits are not finite: a broken model file or a bug in a kernel"});
  }
  if (next_position < sequence.n_prompt_tokens) {
    const int id = sequence.tokens[static_cast<std::size_t>(next_position)];
    sequence.prompt_scores.push_back(sampler_.given(id, logits, sequence.sampling));
    return;
  }
  if (const std::optional<int> forced = sequence.thought ? sequence.thought->forced() : std::nullopt)
    return append(sequence, sampler_.given(*forced, logits, sequence.sampling));
  SampledToken token =
      sampler_.sample(logits, sequence.sampling, sequence.tokens, sequence.n_prompt_tokens, sequence.filter.get());
  if (sampler_.verdict() == TokenFilter::Verdict::kOpen)
    append(sequence, std::move(token));
  else if (sampler_.verdict() == TokenFilter::Verdict::kEnded)
    end(sequence, FinishReason::kStop, {});
  else
    end(sequence, FinishReason::kError,
        {ErrorCode::kInternal, "no token of the vocabulary continues the answer within its grammar"});
}

// Without a token.
void ModelEngine::end(Sequence& sequence, FinishReason reason, Error error) {
  sequence.finish = Finish{reason, sequence.usage(), std::move(error)};
  deliver(sequence, {.token = {}, .finish = sequence.finish});
}

void ModelEngine::append(Sequence& sequence, SampledToken token) {
  const int id = token.id;
  sequence.tokens.push_back(id);
  completion_tokens_.fetch_add(1);
  sequence.timer.take(times_);
  if (sequence.thought) sequence.thought->take(id);
  if (sequence.filter) sequence.filter->accept(id);
  const bool ended = std::find(sequence.end_ids.begin(), sequence.end_ids.end(), id) != sequence.end_ids.end();
  const bool full = sequence.n_completion_tokens() >= sequence.max_tokens;
  const bool repeats = sequence.repetition && sequence.repetition->take(id);
  if (ended || full || repeats) {
    const FinishReason reason = ended     ? FinishReason::kStop
                                : repeats ? FinishReason::kRepetition
                                          : FinishReason::kLength;
    sequence.finish = Finish{reason, sequence.usage(), {}};
  }
  deliver(sequence, {.token = std::move(token), .finish = sequence.finish});
}

void ModelEngine::deliver(Sequence& sequence, StreamEvent event) {
  if (sequence.scores_prompt && sequence.n_unscored() == 0) {
    event.prompt = std::move(sequence.prompt_scores);
    sequence.scores_prompt = false;
  }
  if (!sequence.channel->events.try_push(std::move(event)))
    sequence.undelivered = std::move(event);  // NOLINT(bugprone-use-after-move): what is refused is left untouched
  else if (sequence.channel->on_event)
    sequence.channel->on_event();
}

// Sends what is undelivered, notices cancellation; true when the sequence can leave.
bool ModelEngine::retire(Sequence& sequence) {
  const bool cancelled = sequence.channel->cancelled.load(std::memory_order_relaxed);
  if (cancelled) {
    // Nobody reads the queue any more, or the reader wants only the end: what did not fit is dropped.
    sequence.undelivered.reset();
    if (!sequence.finish) {
      sequence.finish = Finish{FinishReason::kCancelled, sequence.usage(), {}};
      deliver(sequence, {.token = {}, .finish = sequence.finish});
    }
    sequence.channel->events.close();
    if (sequence.channel->on_event) sequence.channel->on_event();  // the finish may not have found room
  } else if (sequence.undelivered) {
    StreamEvent event = std::move(*sequence.undelivered);
    sequence.undelivered.reset();
    deliver(sequence, std::move(event));
  }
  if (!sequence.finish || sequence.undelivered) {
    if (!cancelled) return false;
  }
  if (sequence.on_over) sequence.on_over(sequence.usage());
  prompt_tokens_.fetch_add(sequence.n_prompt_tokens);
  cached_tokens_.fetch_add(sequence.n_cached_tokens);
  if (sequence.finish) times_.count(sequence.finish->reason);
  n_unfinished_.fetch_sub(1);
  return true;
}

void ModelEngine::update_stats() {
  n_blocks_free_.store(scheduler_.pool().n_available());
  n_running_.store(scheduler_.n_running());  // last: who sees nothing running sees the blocks free
}

}  // namespace r1
