// model_bench.cpp: the forward alone, without engine or sampler: what is left over is the engine's cost.
#include "apps/model_bench.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include <fmt/format.h>

#include "apps/statistics.h"
#include "base/rng.h"
#include "model/forward.h"
#include "model/tensor_table.h"

namespace r1 {
namespace {

// Some sequences whose caches can be taken back to any length: what lies beyond is written again.
class Sequencer {
 public:
  Sequencer(const Model& model, const BenchPlan& plan, int max_tokens)
      : model_(model),
        max_rows_(plan.max_rows),
        n_streams_(plan.n_streams),
        blocks_per_stream_(max_tokens / KvCache::kBlockTokens + 1),
        pool_(plan.n_threads, plan.placement),
        kv_(model.config.kv_layout(plan.kv_dtype), blocks_per_stream_ * plan.n_streams),
        forward_(model.config, model.weights),
        blocks_(static_cast<std::size_t>(kv_.n_blocks())) {
    std::iota(blocks_.begin(), blocks_.end(), 0);
    Rng rng(1, 0);
    tokens_.resize(static_cast<std::size_t>(max_tokens) + static_cast<std::size_t>(n_streams_));
    for (int& token : tokens_) token = static_cast<int>(rng.below(static_cast<std::uint64_t>(model.config.vocab_size)));
    positions_.resize(tokens_.size());
    std::iota(positions_.begin(), positions_.end(), 0);
  }

  // As the engine does it: a prompt in chunks, logits of its last row only.
  void prefill(int stream, int first, int n) {
    for (const int end = first + n; first < end; first += max_rows_) {
      const int n_rows = std::min(max_rows_, end - first), last_row = n_rows - 1;
      const SequenceRows rows{0, n_rows, first, blocks_of(stream), MlaKernel::kExpanded};
      run({part(tokens_, first, n_rows), part(positions_, first, n_rows), {&rows, 1}, {&last_row, 1}});
    }
  }
  void fill(int depth) {
    for (int stream = 0; stream < n_streams_; ++stream) prefill(stream, 0, depth);
  }
  // One row of every sequence in each pass.
  void decode(int first, int n) {
    std::vector<SequenceRows> sequences;
    std::vector<int> rows(static_cast<std::size_t>(n_streams_));
    std::iota(rows.begin(), rows.end(), 0);
    for (int position = first; position < first + n; ++position) {
      sequences.clear();
      for (const int row : rows) sequences.push_back({row, 1, position, blocks_of(row), MlaKernel::kAbsorbed});
      const std::vector<int> positions(rows.size(), position);
      run({part(tokens_, position, n_streams_), positions, sequences, rows});
    }
  }
  void profile_into(OpProfile* profile) { profile_ = profile; }

 private:
  static std::span<const int> part(const std::vector<int>& all, int first, int n) {
    return std::span(all).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n));
  }
  std::span<const KvBlockId> blocks_of(int stream) const {
    return std::span(blocks_).subspan(static_cast<std::size_t>(stream) * static_cast<std::size_t>(blocks_per_stream_),
                                      static_cast<std::size_t>(blocks_per_stream_));
  }
  void run(const Batch& batch) {
    const ArenaScope scope(arena_);
    Pass pass{.pool = pool_, .arena = arena_, .batch = batch, .kv = kv_, .profile = profile_};
    forward_(pass);
  }

  const Model& model_;
  int max_rows_, n_streams_, blocks_per_stream_;
  ThreadPool pool_;
  Arena arena_;
  KvCache kv_;
  Forward forward_;
  std::vector<KvBlockId> blocks_;
  std::vector<int> tokens_, positions_;
  OpProfile* profile_ = nullptr;
};

template <typename Work>
double seconds_of(Work work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <typename Work>
std::vector<double> measure(int n_repeats, int n_tokens, Work work) {
  std::vector<double> rates;
  for (int run = 0; run <= n_repeats; ++run) {
    const double seconds = seconds_of(work);
    if (run > 0) rates.push_back(n_tokens / seconds);
  }
  return rates;
}

double cache_bytes_per_position(const Model& model, Dtype kv_dtype) {
  return static_cast<double>(model.config.kv_layout(kv_dtype).block_bytes()) / KvCache::kBlockTokens;
}

// Scores and weighted values over `depth` positions, as the kernel for prompts computes them.
double attention_ops(const ModelConfig& c, double depth) {
  const double per_head = c.is_deepseek() ? c.head_dim + c.v_head_dim : 2 * c.head_dim;
  return 2.0 * c.n_layers * c.n_heads * per_head * depth;
}

}  // namespace

double BenchRow::median_tokens_per_s() const { return median(tokens_per_s); }

double matrix_ops_per_token(const Model& model) {
  double n_values = 0;
  for (const LayerWeights& layer : model.weights.layers) {
    for (const TensorSpec& spec : layer_tensors()) {
      const auto* matrix = std::get_if<Weight LayerWeights::*>(&spec.field);
      if (matrix != nullptr && (layer.**matrix).present())
        n_values += static_cast<double>((layer.**matrix).shape.n_values());
    }
    if (layer.experts.empty()) continue;
    const ExpertWeights& one = layer.experts.front();
    n_values += static_cast<double>(model.config.route.n_activated_experts) * 3.0 *
                static_cast<double>(one.gate.shape.n_values());
  }
  return 2.0 * n_values;
}

namespace {

template <typename Work>
void fill_row(BenchRow& row, const BenchPlan& plan, int n_tokens, Sequencer& sequencer, Work work) {
  row.tokens_per_s = measure(plan.n_repeats, n_tokens, work);
  if (!plan.profile) return;
  OpProfile profile;
  sequencer.profile_into(&profile);
  row.profiled_seconds = seconds_of(work);
  sequencer.profile_into(nullptr);
  row.ops = profile.totals();
}

}  // namespace

std::vector<BenchRow> run_bench(const Model& model, const BenchPlan& plan) {
  const int deepest = *std::max_element(plan.depths.begin(), plan.depths.end());
  Sequencer sequencer(model, plan, deepest + std::max(plan.n_prefill, plan.n_decode) + 1);
  std::vector<BenchRow> rows;
  for (const int depth : plan.depths) {
    if (depth > 0) sequencer.fill(depth);
    if (plan.n_prefill > 0) {
      BenchRow& row = rows.emplace_back(BenchRow{.test = fmt::format("prefill {}", plan.n_prefill), .depth = depth});
      row.ops_per_token = matrix_ops_per_token(model) + attention_ops(model.config, depth + plan.n_prefill / 2.0);
      fill_row(row, plan, plan.n_prefill, sequencer, [&] { sequencer.prefill(0, depth, plan.n_prefill); });
    }
    if (plan.n_decode > 0) {
      const std::string streams = plan.n_streams > 1 ? fmt::format(" x {} streams", plan.n_streams) : "";
      BenchRow& row = rows.emplace_back(
          BenchRow{.test = fmt::format("decode {}{}", plan.n_decode, streams), .depth = depth, .is_decode = true});
      row.bytes_per_token = static_cast<double>(bytes_per_token(model)) / plan.n_streams +
                            cache_bytes_per_position(model, plan.kv_dtype) * (depth + plan.n_decode / 2.0);
      fill_row(row, plan, plan.n_decode * plan.n_streams, sequencer, [&] { sequencer.decode(depth, plan.n_decode); });
    }
  }
  return rows;
}

}  // namespace r1
