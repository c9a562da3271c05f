// rollouts.cpp: requests are dealt to the engines in turn; each engine has a thread that reads its streams.
#include "train/rollouts.h"

#include <algorithm>
#include <thread>

#include "engine/model_engine.h"

namespace r1 {
namespace {

Result<Rollout> read_stream(TokenStream stream) {
  Rollout rollout;
  for (;;) {
    const StreamEvent event = stream.next();
    if (event.token) {
      rollout.completion.push_back(event.token->id);
      rollout.logprobs.push_back(event.token->logprob);
    }
    if (!event.finish) continue;
    if (event.finish->reason == FinishReason::kError) return event.finish->error;
    rollout.ended = event.finish->reason == FinishReason::kStop;
    return rollout;
  }
}

// Requests worker, worker + n_workers, … through one engine.
Status run_engine(const Model& model, const ModelEngineOptions& engine_options, const RolloutOptions& options,
                  std::span<const RolloutRequest> requests, int worker, std::vector<Rollout>& rollouts) {
  R1_TRY(const std::unique_ptr<ModelEngine> engine, ModelEngine::start(model, engine_options));
  std::vector<std::pair<std::size_t, TokenStream>> streams;
  for (auto i = static_cast<std::size_t>(worker); i < requests.size();
       i += static_cast<std::size_t>(options.n_workers)) {
    const RolloutRequest& request = requests[i];
    GenerateRequest generate{
        .prompt = request.prompt,
        .sampling = {.temperature = request.temperature, .seed = request.seed, .n_top_logprobs = 0},
        .max_tokens = request.max_tokens,
        .end_ids = options.end_ids,
        .on_event = {}};
    R1_TRY(TokenStream stream, engine->submit(std::move(generate)));
    streams.emplace_back(i, std::move(stream));
  }
  for (auto& [i, stream] : streams) {
    R1_TRY(rollouts[i], read_stream(std::move(stream)));
  }
  return {};
}

ModelEngineOptions engine_options(const Model& model, const RolloutOptions& options,
                                  std::span<const RolloutRequest> requests) {
  std::int64_t longest = 0;
  for (const RolloutRequest& request : requests) {
    longest = std::max(longest, static_cast<std::int64_t>(request.prompt.size()) + request.max_tokens);
  }
  const std::int64_t blocks = longest / KvCache::kBlockTokens + 2;
  return {.n_threads = 1,
          .context_length = static_cast<int>(std::min<std::int64_t>(longest + 1, model.config.context_length)),
          .kv_bytes = blocks * options.max_running * model.config.kv_layout(Dtype::kF32).block_bytes(),
          .kv_dtype = Dtype::kF32,
          .max_running = options.max_running,
          .max_waiting = static_cast<int>(requests.size()) + 1};
}

}  // namespace

Result<std::vector<Rollout>> roll_out(const Model& model, const RolloutOptions& options,
                                      std::span<const RolloutRequest> requests) {
  std::vector<Rollout> rollouts(requests.size());
  if (requests.empty()) return rollouts;
  const ModelEngineOptions engine = engine_options(model, options, requests);
  std::vector<Status> statuses(static_cast<std::size_t>(options.n_workers));
  std::vector<std::thread> threads;
  for (int worker = 0; worker < options.n_workers; ++worker) {
    threads.emplace_back([&, worker] {
      statuses[static_cast<std::size_t>(worker)] = run_engine(model, engine, options, requests, worker, rollouts);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) R1_TRY_STATUS(status);
  return rollouts;
}

}  // namespace r1
