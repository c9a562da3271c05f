// trainer.cpp: shares of a step among workers, their gradients in order, the update.
#include "train/trainer.h"

#include <algorithm>
#include <optional>

#include "base/assert.h"
#include "kernels/float_ops.h"
#include "model/forward.h"
#include "ops/tape.h"
#include "train/logit_distillation.h"

namespace r1 {

// What one share of a step gives beside its gradient.
struct Trainer::Share {
  std::vector<int> examples;                         // by index
  std::vector<std::vector<TokenLoss>> token_losses;  // beside them
  StepStats stats;
};

// One thread's own: ops find a pool of one thread here, and share nothing with other workers but the weights.
struct Trainer::Worker {
  Worker(const Model& trained, const Model* teaches) : student(trained) {
    if (teaches != nullptr) teacher.emplace(*teaches);
  }

  // A model, and its cache, which grows with the passes.
  struct Part {
    explicit Part(const Model& its_model) : model(its_model), forward(its_model.config, its_model.weights) {}

    KvCache& cache_of(int n_blocks) {
      if (!kv || kv->n_blocks() < n_blocks) {
        kv.reset();
        kv.emplace(model.config.kv_layout(Dtype::kF32, model.weights.mtp.has_value()), n_blocks);
      }
      return *kv;
    }

    const Model& model;
    Forward forward;
    std::optional<KvCache> kv;
  };

  Part student;
  std::optional<Part> teacher;
  ThreadPool pool{1};
  Arena arena;
};

double StepStats::worst_load() const {
  double worst = 0;
  for (const std::vector<std::int64_t>& loads : expert_load) {
    std::int64_t sum = 0;
    for (const std::int64_t load : loads) sum += load;
    if (sum == 0) continue;
    const double mean = static_cast<double>(sum) / static_cast<double>(loads.size());
    worst = std::max(worst, static_cast<double>(*std::max_element(loads.begin(), loads.end())) / mean - 1.0);
  }
  return worst;
}

namespace {

void count_choices(const ModelConfig& c, std::span<const RouteRecord> routes, StepStats& stats) {
  if (routes.empty()) return;
  int last_layer = 0;
  for (const RouteRecord& record : routes) last_layer = std::max(last_layer, record.layer);
  stats.expert_load.resize(static_cast<std::size_t>(last_layer + 1 - c.n_dense_layers));
  for (const RouteRecord& record : routes) {
    auto& loads = stats.expert_load[static_cast<std::size_t>(record.layer - c.n_dense_layers)];
    loads.resize(static_cast<std::size_t>(c.route.n_routed_experts), 0);
    for (const int id : record.expert_ids) ++loads[static_cast<std::size_t>(id)];
  }
}

void count_tokens(std::span<const TokenLoss> losses, std::span<const float> coefficients, StepStats& stats) {
  for (std::size_t i = 0; i < losses.size(); ++i) {
    stats.loss -= double{coefficients[i]} * losses[i].logprob;
    stats.sum_logprob += losses[i].logprob;
    stats.sum_entropy += losses[i].entropy;
    stats.n_best += losses[i].is_best ? 1 : 0;
  }
  stats.n_targets += static_cast<std::int64_t>(losses.size());
}

void add_stats(const StepStats& from, StepStats& to) {
  to.loss += from.loss;
  to.mtp_loss += from.mtp_loss;
  to.n_mtp_targets += from.n_mtp_targets;
  to.n_mtp_best += from.n_mtp_best;
  to.divergence += from.divergence;
  to.n_rows += from.n_rows;
  to.n_targets += from.n_targets;
  to.sum_logprob += from.sum_logprob;
  to.sum_entropy += from.sum_entropy;
  to.n_best += from.n_best;
  to.expert_load.resize(std::max(to.expert_load.size(), from.expert_load.size()));
  for (std::size_t layer = 0; layer < from.expert_load.size(); ++layer) {
    to.expert_load[layer].resize(from.expert_load[layer].size(), 0);
    for (std::size_t e = 0; e < from.expert_load[layer].size(); ++e)
      to.expert_load[layer][e] += from.expert_load[layer][e];
  }
}

std::vector<float> scaled(std::span<const float> coefficients, float factor) {
  std::vector<float> result(coefficients.begin(), coefficients.end());
  for (float& coefficient : result) coefficient *= factor;
  return result;
}

// The loss of the token after the next, weighted, and its gradient.
void add_mtp_loss(Pass& pass, const Forward& forward, Tensor hidden, const PackedBatch& packed, float weight,
                  StepStats& stats) {
  const PackedBatch::Mtp mtp = packed.mtp();
  const Tensor logits = forward.predict_second(pass, hidden, mtp.next_ids, mtp.logits_rows);
  const std::vector<TokenLoss> losses = cross_entropy(pass, logits, mtp.targets, scaled(mtp.coefficients, weight));
  for (std::size_t i = 0; i < losses.size(); ++i) {
    stats.mtp_loss -= double{mtp.coefficients[i]} * losses[i].logprob;
    stats.n_mtp_best += losses[i].is_best ? 1 : 0;
  }
  stats.n_mtp_targets += static_cast<std::int64_t>(losses.size());
}

}  // namespace

Trainer::Trainer(TrainedModel& model, TrainerConfig config)
    : model_(model), config_(config), pool_(config.n_workers), optimizer_(model, config.optimizer) {
  R1_ASSERT(config.n_workers >= 1 && config.n_shares >= 1 && config.rows_at_once >= 1, "a trainer has workers");
  for (int i = 0; i < config.n_workers; ++i)
    workers_.push_back(std::make_unique<Worker>(model.model(), config.teacher));
  share_gradients_.resize(static_cast<std::size_t>(config.n_shares));
  gradients_.resize(static_cast<std::size_t>(model.n_trained()));
}

Trainer::~Trainer() = default;

// What the teacher says of the same rows, and how far the student's logits are from it, weighted, with its gradient.
void Trainer::add_teacher_loss(Pass& pass, Worker& worker, const PackedBatch& packed, Tensor logits,
                               const StepSettings& settings, StepStats& stats) {
  const ArenaScope scope(pass.arena);
  Pass asked{.pool = worker.pool,
             .arena = worker.arena,
             .batch = pass.batch,
             .kv = worker.teacher->cache_of(packed.n_blocks())};
  const Tensor said = worker.teacher->forward(asked);
  const std::vector<float> weights = scaled(packed.coefficients(), settings.teacher_weight);
  const std::vector<float> divergences = add_divergence(pass, logits, said, weights, settings.teacher_temperature);
  for (std::size_t i = 0; i < divergences.size(); ++i)
    stats.divergence += double{packed.coefficients()[i]} * divergences[i];
}

void Trainer::run_pass(Worker& worker, std::span<const Example> examples, std::span<float> gradients,
                       const PassSettings& settings, Share& share) const {
  const PackedBatch packed(examples);
  const Batch batch = packed.view();
  const ArenaScope scope(worker.arena);
  std::vector<RouteRecord> routes;
  Tape tape(model_.trained_values().first(gradients.size()), gradients);
  if (model_.lora() != nullptr) tape.adapters = &model_.lora()->by_weight();
  tape.balance_alpha = config_.balance_alpha / static_cast<float>(settings.step_rows);
  tape.recompute = config_.recompute;
  Pass pass{.pool = worker.pool,
            .arena = worker.arena,
            .batch = batch,
            .kv = worker.student.cache_of(packed.n_blocks()),
            .routes = &routes,
            .tape = gradients.empty() ? nullptr : &tape};
  const StepSettings& step = settings.step;
  const Forward& forward = worker.student.forward;
  const bool with_mtp = step.mtp_weight > 0;
  const Tensor hidden = with_mtp ? forward.hidden(pass) : Tensor{};
  const Tensor logits = with_mtp ? forward.logits(pass, hidden, batch.logits_rows) : forward(pass);
  const std::vector<TokenLoss> losses =
      cross_entropy(pass, logits, packed.targets(), scaled(packed.coefficients(), 1.0f - step.teacher_weight));
  if (step.teacher_weight > 0) add_teacher_loss(pass, worker, packed, logits, step, share.stats);
  if (with_mtp) add_mtp_loss(pass, forward, hidden, packed, step.mtp_weight, share.stats);
  if (!gradients.empty()) tape.backward(pass);

  count_tokens(losses, packed.coefficients(), share.stats);
  count_choices(model_.config(), routes, share.stats);
  share.stats.n_rows += packed.n_rows();
  std::size_t row = 0;
  for (const Example& example : examples) {
    const auto n = static_cast<std::size_t>(
        std::count_if(example.coefficients.begin() + 1, example.coefficients.end(), [](float c) { return c != 0.0f; }));
    share.token_losses.emplace_back(losses.begin() + static_cast<std::ptrdiff_t>(row),
                                    losses.begin() + static_cast<std::ptrdiff_t>(row + n));
    row += n;
  }
}

void Trainer::run_shares(std::span<const Example> examples, std::vector<Share>& shares, bool with_gradients,
                         const StepSettings& step) {
  std::vector<std::vector<int>> cut = cut_into_shares(examples, config_.n_shares);
  shares.resize(cut.size());
  PassSettings settings{.step_rows = 0, .step = step};
  for (const Example& example : examples) settings.step_rows += example.n_rows();
  pool_.run(static_cast<int>(cut.size()), [&](int i, int thread) {
    Worker& worker = *workers_[static_cast<std::size_t>(thread)];
    Share& share = shares[static_cast<std::size_t>(i)];
    share.examples = std::move(cut[static_cast<std::size_t>(i)]);
    std::vector<float>& gradients = share_gradients_[static_cast<std::size_t>(i)];
    if (with_gradients) gradients.assign(static_cast<std::size_t>(model_.n_trained()), 0.0f);
    for (std::size_t first = 0; first < share.examples.size();) {
      std::vector<Example> some;
      for (int rows = 0; first < share.examples.size(); ++first) {
        const Example& next = examples[static_cast<std::size_t>(share.examples[first])];
        rows += next.n_rows();
        if (!some.empty() && rows > config_.rows_at_once) break;
        some.push_back(next);
      }
      run_pass(worker, some, with_gradients ? gradients : std::span<float>(), settings, share);
    }
  });
}

void Trainer::add_gradients(const std::vector<Share>& shares) {
  constexpr std::int64_t kPiece = 1 << 14;
  const std::int64_t n = model_.n_trained();
  pool_.run(static_cast<int>((n + kPiece - 1) / kPiece), [&](int piece, int) {
    const std::int64_t first = piece * kPiece, count = std::min(kPiece, n - first);
    float* sum = gradients_.data() + first;
    std::copy_n(share_gradients_[0].data() + first, count, sum);
    for (std::size_t i = 1; i < shares.size(); ++i) add(sum, share_gradients_[i].data() + first, sum, count);
  });
}

void Trainer::move_biases(const StepStats& stats, float speed) {
  const ModelConfig& c = model_.config();
  for (std::size_t i = 0; i < stats.expert_load.size(); ++i) {
    const std::span<float> bias = model_.router_bias(c.n_dense_layers + static_cast<int>(i));
    if (bias.empty()) continue;
    const std::vector<std::int64_t>& loads = stats.expert_load[i];
    std::int64_t sum = 0;
    for (const std::int64_t load : loads) sum += load;
    const auto n = static_cast<std::int64_t>(loads.size());
    std::vector<float> move(loads.size());
    float mean = 0;
    for (std::size_t e = 0; e < loads.size(); ++e) {
      const std::int64_t lack = sum - loads[e] * n;  // sign of mean - load, in whole numbers
      move[e] = lack > 0 ? speed : lack < 0 ? -speed : 0.0f;
      mean += move[e] / static_cast<float>(n);
    }
    for (std::size_t e = 0; e < loads.size(); ++e) bias[e] += move[e] - mean;
  }
}

StepStats Trainer::step(std::span<const Example> examples, const StepSettings& settings) {
  R1_ASSERT(settings.mtp_weight == 0 || model_.config().n_mtp_layers > 0, "the model has what is to be trained");
  R1_ASSERT(settings.teacher_weight == 0 || config_.teacher != nullptr, "who is asked is there");
  std::vector<Share> shares;
  run_shares(examples, shares, true, settings);
  StepStats stats;
  for (const Share& share : shares) add_stats(share.stats, stats);
  add_gradients(shares);
  stats.gradient_norm = optimizer_.step(pool_, model_, gradients_, settings.learning_rate);
  round_weights(pool_, model_, config_.weights, config_.rounding_seed, optimizer_.n_steps());
  model_.merge_adapters(pool_);
  if (settings.balance_speed > 0) move_biases(stats, settings.balance_speed);
  return stats;
}

std::vector<std::vector<float>> Trainer::logprobs(std::span<const Example> examples) {
  std::vector<Share> shares;
  run_shares(examples, shares, false);
  std::vector<std::vector<float>> result(examples.size());
  for (const Share& share : shares) {
    for (std::size_t i = 0; i < share.examples.size(); ++i) {
      std::vector<float>& mine = result[static_cast<std::size_t>(share.examples[i])];
      for (const TokenLoss& loss : share.token_losses[i]) mine.push_back(loss.logprob);
    }
  }
  return result;
}

}  // namespace r1
