// score_summary.cpp: sums in double over all rows.
#include "apps/score_summary.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace r1 {
namespace {

double log_sum_of_exp(std::span<const float> logits) {
  const double best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - best);
  return best + std::log(sum);
}

auto best_of(std::span<const float> logits) { return std::max_element(logits.begin(), logits.end()) - logits.begin(); }

}  // namespace

Result<ScoreSummary> ScoreSummary::create(const std::string& base_path, std::size_t n_tokens, int vocab_size) {
  ScoreSummary summary;
  if (base_path.empty()) return summary;
  const auto wanted = static_cast<std::uintmax_t>(n_tokens) * static_cast<std::uintmax_t>(vocab_size) * sizeof(float);
  std::error_code failed;
  const std::uintmax_t size = std::filesystem::file_size(base_path, failed);
  if (failed) return Error{ErrorCode::kIo, fmt::format("reading {}: {}", base_path, failed.message())};
  if (size != wanted) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("{}: {} bytes, but {} tokens by a vocabulary of {} in float32 are {}: logits of another "
                             "text or model",
                             base_path, size, n_tokens, vocab_size, wanted)};
  }
  summary.base_path_ = base_path;
  summary.base_.reset(std::fopen(base_path.c_str(), "rb"));
  if (!summary.base_) return Error{ErrorCode::kIo, fmt::format("opening {}: {}", base_path, std::strerror(errno))};
  summary.base_row_.resize(static_cast<std::size_t>(vocab_size));
  return summary;
}

Status ScoreSummary::add(std::span<const float> logits, double log_sum, int next_id) {
  ++n_rows_;
  if (next_id >= 0) {
    ++n_scored_;
    logprob_ += logits[static_cast<std::size_t>(next_id)] - log_sum;
  }
  return base_ ? compare(logits, log_sum) : Status{};
}

Status ScoreSummary::compare(std::span<const float> logits, double log_sum) {
  if (std::fread(base_row_.data(), sizeof(float), base_row_.size(), base_.get()) != base_row_.size()) {
    return Error{ErrorCode::kIo, fmt::format("reading {}: it ended early", base_path_)};
  }
  const double base_log_sum = log_sum_of_exp(base_row_);
  double kl = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double base_logprob = base_row_[i] - base_log_sum;
    kl += std::exp(base_logprob) * (base_logprob - (logits[i] - log_sum));
  }
  kl_ += kl;
  kl_max_ = std::max(kl_max_, kl);
  n_same_best_ += best_of(logits) == best_of(base_row_) ? 1 : 0;
  return {};
}

std::string ScoreSummary::json() const {
  OrderedJson json = {{"tokens", n_rows_}, {"scored", n_scored_}, {"perplexity", nullptr}};
  if (n_scored_ > 0) json["perplexity"] = std::exp(-logprob_ / static_cast<double>(n_scored_));
  if (base_) {
    json["kl"] = kl_ / static_cast<double>(n_rows_);
    json["kl_max"] = kl_max_;
    json["same_best"] = static_cast<double>(n_same_best_) / static_cast<double>(n_rows_);
  }
  return json.dump() + "\n";
}

}  // namespace r1
