// sampler.cpp: greedy by a scan; otherwise one exp over the vocabulary, then only as much sorting as the filters need.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "kernels/float_ops.h"

namespace r1 {
namespace {

int first_maximum(std::span<const float> values) {
  return static_cast<int>(std::max_element(values.begin(), values.end()) - values.begin());
}

// Below this logits divided by it may overflow, and nothing but the best token has a chance anyway. Not a number:
// greedy.
constexpr float kLeastTemperature = 1e-6f;
bool is_greedy(const SamplingParams& params) { return !(params.temperature >= kLeastTemperature); }

bool changes_logits(const SamplingParams& p) {
  return p.presence_penalty != 0 || p.frequency_penalty != 0 || p.repetition_penalty != 1 || !p.logit_bias.empty();
}

}  // namespace

SampledToken Sampler::sample(std::span<const float> logits, const SamplingParams& params, std::span<const int> tokens,
                             int n_prompt_tokens, TokenFilter* filter) {
  SampledToken token;
  verdict_ = TokenFilter::Verdict::kOpen;
  if (is_greedy(params) && !changes_logits(params) && filter == nullptr) {
    token.id = first_maximum(logits);
  } else {
    scores_.assign(logits.begin(), logits.end());
    penalize(params, tokens, n_prompt_tokens);
    if (filter != nullptr) verdict_ = filter->mask(scores_);
    if (verdict_ != TokenFilter::Verdict::kOpen) return {.id = -1};
    if (is_greedy(params)) {
      token.id = first_maximum(scores_);
    } else {
      const std::uint64_t index = tokens.size() - static_cast<std::size_t>(n_prompt_tokens);
      token.id = draw(params, Rng(params.seed, index).uniform());
    }
  }
  if (params.n_top_logprobs >= 0) fill_logprobs(logits, params.n_top_logprobs, token);
  return token;
}

SampledToken Sampler::given(int id, std::span<const float> logits, const SamplingParams& params) {
  SampledToken token;
  token.id = id;
  if (params.n_top_logprobs >= 0) fill_logprobs(logits, params.n_top_logprobs, token);
  return token;
}

void Sampler::penalize(const SamplingParams& params, std::span<const int> tokens, int n_prompt_tokens) {
  const auto score = [&](int id) -> float& { return scores_[static_cast<std::size_t>(id)]; };
  counts_.resize(scores_.size());
  const auto count = [&](int id) -> int& { return counts_[static_cast<std::size_t>(id)]; };
  if (params.repetition_penalty != 1) {
    for (const int id : tokens) {
      if (count(id)++ > 0) continue;  // once per distinct token
      score(id) = score(id) > 0 ? score(id) / params.repetition_penalty : score(id) * params.repetition_penalty;
    }
    for (const int id : tokens) count(id) = 0;
  }
  if (params.presence_penalty != 0 || params.frequency_penalty != 0) {
    for (const int id : tokens.subspan(static_cast<std::size_t>(n_prompt_tokens))) {
      score(id) -= params.frequency_penalty + (count(id)++ == 0 ? params.presence_penalty : 0.0f);
    }
    for (const int id : tokens) count(id) = 0;
  }
  for (const LogitBias& bias : params.logit_bias) score(bias.id) += bias.bias;
}

int Sampler::draw(const SamplingParams& params, double uniform) {
  const auto n = static_cast<std::int64_t>(scores_.size());
  scale(scores_.data(), 1.0f / params.temperature, n);
  const float sum = exp_and_sum(scores_.data(), max_value(scores_.data(), n), n);  // the best token's score is now 1
  if (params.top_k <= 0 && params.top_p >= 1 && params.min_p <= 0) return draw_from_all(uniform, sum);
  keep_likeliest(params, sum);
  double total = 0;
  for (const Candidate& c : candidates_) total += c.p;
  double left = uniform * total;
  for (const Candidate& c : candidates_) {
    left -= c.p;
    if (left < 0) return c.id;
  }
  return candidates_.back().id;
}

int Sampler::draw_from_all(double uniform, float sum) const {
  double left = uniform * sum;
  int last = 0;
  for (std::size_t id = 0; id < scores_.size(); ++id) {
    if (scores_[id] <= 0) continue;
    left -= scores_[id];
    last = static_cast<int>(id);
    if (left < 0) break;
  }
  return last;
}

void Sampler::collect_above(float threshold) {
  candidates_.clear();
  for (std::size_t id = 0; id < scores_.size(); ++id) {
    if (scores_[id] >= threshold && scores_[id] > 0) candidates_.push_back({scores_[id], static_cast<int>(id)});
  }
}

// The nucleus and the best k usually lie within a few hundred tokens: those above a threshold are collected and sorted,
// with a lower threshold if they were not enough. The result is the same as sorting the whole vocabulary.
void Sampler::keep_likeliest(const SamplingParams& params, float sum) {
  const std::size_t k = params.top_k > 0 ? static_cast<std::size_t>(params.top_k) : scores_.size();
  const double mass_wanted = params.top_p < 1 ? params.top_p * static_cast<double>(sum) : INFINITY;
  for (float threshold = 0x1p-10f;; threshold *= 0x1p-10f) {
    if (threshold < 0x1p-100f) threshold = 0;
    collect_above(threshold);
    double mass = 0;
    for (const Candidate& c : candidates_) mass += c.p;
    if (threshold == 0 || candidates_.size() >= k || mass >= mass_wanted) break;
    if (params.min_p >= threshold) break;  // everything below is cut anyway
  }
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.p > b.p || (a.p == b.p && a.id < b.id); });
  if (candidates_.size() > k) candidates_.resize(k);
  double mass = 0, mass_kept = 0;
  if (params.top_k > 0) {  // the nucleus is taken of what top-k left
    for (const Candidate& c : candidates_) mass += c.p;
  } else {
    mass = sum;
  }
  std::size_t n = 0;
  while (n < candidates_.size() && (n == 0 || mass_kept < params.top_p * mass)) mass_kept += candidates_[n++].p;
  if (params.top_p < 1) candidates_.resize(n);
  while (candidates_.size() > 1 && candidates_.back().p < params.min_p)
    candidates_.pop_back();  // the best one's p is 1
}

void Sampler::fill_logprobs(std::span<const float> logits, int n_top, SampledToken& token) {
  const auto n = static_cast<std::int64_t>(logits.size());
  scores_.assign(logits.begin(), logits.end());
  const float best = max_value(scores_.data(), n);
  const float log_sum = best + std::log(exp_and_sum(scores_.data(), best, n));
  const auto logprob = [&](int id) { return logits[static_cast<std::size_t>(id)] - log_sum; };
  token.logprob = logprob(token.id);
  if (n_top == 0) return;
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto n_kept = std::min(static_cast<std::ptrdiff_t>(n_top), static_cast<std::ptrdiff_t>(order.size()));
  std::partial_sort(order.begin(), order.begin() + n_kept, order.end(), [&](int a, int b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  });
  for (std::ptrdiff_t i = 0; i < n_kept; ++i) {
    const int id = order[static_cast<std::size_t>(i)];
    token.top.push_back({id, logprob(id)});
  }
}

}  // namespace r1
