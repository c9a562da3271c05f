// script_engine.h: an Engine that plays a script instead of running a model, for tests and for trying a server without
// weights.
//
// It keeps the Engine's promises: bounded queues, backpressure, cancellation within a step, max_tokens, end ids, the
// context's length. Sampling parameters are accepted and have no effect; logprobs are made up
// (docs/scripted-engine.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "engine/engine.h"
#include "engine/fair_queue.h"
#include "engine/script.h"
#include "engine/token_times.h"

namespace r1 {

class ScriptEngine final : public Engine {
 public:
  explicit ScriptEngine(Script script);
  ~ScriptEngine() override;  // ends what is under way as cancelled
  ScriptEngine(const ScriptEngine&) = delete;
  ScriptEngine& operator=(const ScriptEngine&) = delete;

  Result<TokenStream> submit(GenerateRequest request) override;
  int context_length() const override { return script_.context_length; }
  EngineStats stats() const override;

  const Script& script() const { return script_; }

 private:
  struct Sequence;

  void run();
  void wait(std::unique_ptr<Sequence> sequence);
  void admit(std::unique_ptr<Sequence> sequence);
  bool step_all();  // true: something happened
  bool step(Sequence& sequence);
  bool play(Sequence& sequence);
  void emit_token(Sequence& sequence, int id);
  void skip_thought(Sequence& sequence) const;
  void finish(Sequence& sequence, FinishReason reason, std::string message = {});
  bool deliver(Sequence& sequence);
  const ScriptAnswer* choose(const std::vector<int>& prompt);

  const Script script_;
  BoundedQueue<std::unique_ptr<Sequence>> submitted_;
  std::atomic<bool> closing_ = false;
  std::atomic<int> n_unfinished_ = 0, n_running_ = 0;
  std::atomic<std::int64_t> prompt_tokens_ = 0, cached_tokens_ = 0, completion_tokens_ = 0;
  TokenTimes times_;
  // Below: the engine's thread only.
  FairQueue<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;
  std::size_t turn_ = 0;  // of the answers that are for any prompt
  std::thread thread_;
};

}  // namespace r1
