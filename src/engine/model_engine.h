// model_engine.h: the engine that runs a model. One thread owns sequences, scheduler, cache and sampler; its loop is:
// next batch, forward, sample, commit. Everybody else reaches it through a bounded queue.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "base/bounded_queue.h"
#include "base/thread_pool.h"
#include "engine/drafter.h"
#include "engine/engine.h"
#include "engine/expert_watch.h"
#include "engine/pass_pace.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "model/forward.h"

namespace r1 {

struct ModelEngineOptions {
  int n_threads = 1;
  ThreadPool::Placement placement = ThreadPool::Placement::kFree;
  int context_length = 0;     // 0: the model's own
  std::int64_t kv_bytes = 0;  // at most this much cache; 0: room for one full context
  Dtype kv_dtype = Dtype::kF16;
  int max_running = 16;
  int max_waiting = 1024;  // submissions beyond it are refused
  int max_rows = 512;
  bool reuse_prefixes = true;
  std::string prefix_folder;      // where cached prefixes are kept on disk too; empty: in memory alone
  std::int64_t prefix_bytes = 0;  // at most so much of it
  bool share_prefixes = false;    // between accounts too: they can then see from times what others have sent
  bool draft = false;             // guess tokens ahead (engine/drafter.h); the model must have the module
};

class ModelEngine final : public Engine {
 public:
  // The model must outlive the engine and stay where it is. An Error when the cache can't hold one context, the
  // folder for prefixes can't be used, or drafts are wanted of a model without the module for them.
  static Result<std::unique_ptr<ModelEngine>> start(const Model& model, ModelEngineOptions options);
  ~ModelEngine() override;  // running generations end as cancelled

  Result<TokenStream> submit(GenerateRequest request) override;
  bool is_broken() const override { return model_.damage().has_value(); }
  int context_length() const override { return context_length_; }
  EngineStats stats() const override;

 private:
  ModelEngine(const Model& model, const ModelEngineOptions& options, int n_blocks, std::string fingerprint,
              std::unique_ptr<PrefixStore> store);

  Status check(const GenerateRequest& request) const;
  void run();
  bool take_submissions();
  void step(ScheduledBatch& batch);
  Tensor forward(ScheduledBatch& batch, Tensor& hidden);
  bool let_go(ScheduledBatch& batch);
  void end_all(const ScheduledBatch& batch, const Error& damage);
  bool accept_draft(Sequence& sequence);
  void take(Sequence& sequence, int next_position, std::span<const float> logits);
  void append(Sequence& sequence, SampledToken token);
  void end(Sequence& sequence, FinishReason reason, Error error);
  void deliver(Sequence& sequence, StreamEvent event);
  bool retire(Sequence& sequence);
  void update_stats();

  const Model& model_;
  const int context_length_;
  const int max_waiting_;
  const bool share_prefixes_;
  const std::string fingerprint_;  // of the cache's contents

  // Of the engine's thread alone.
  ThreadPool pool_;
  Arena arena_;
  KvCache kv_;
  Forward forward_;
  std::unique_ptr<PrefixSpill> spill_;  // null: no disk
  Scheduler scheduler_;
  Sampler sampler_;
  std::optional<Drafter> drafter_;  // empty: no drafts
  PassPace pace_;
  ExpertWatch expert_watch_;       // its counts may be read by anybody
  std::vector<int> kept_rows_;     // of the pass that runs, when some were dropped
  std::int64_t next_look_ns_ = 0;  // at those that wait while a pass runs
  bool is_stalled_ = false;        // there was nothing for the last batch

  BoundedQueue<std::unique_ptr<Sequence>> submissions_;
  std::atomic<bool> closing_ = false;
  std::atomic<int> n_unfinished_ = 0, n_running_ = 0, n_blocks_free_ = 0;
  std::atomic<std::int64_t> prompt_tokens_ = 0, cached_tokens_ = 0, completion_tokens_ = 0;
  std::atomic<std::int64_t> drafted_tokens_ = 0, accepted_tokens_ = 0;
  TokenTimes times_;
  std::thread thread_;  // last: starts when all else is ready
};

}  // namespace r1
