// score_summary.h: a scored text in a few numbers: perplexity, and how far from the logits of another run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace r1 {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

class ScoreSummary {
 public:
  // base_path: logits of another run (`r1 score --logits`) of the same tokens, or "". An Error unless its size is that
  // of n_tokens rows.
  static Result<ScoreSummary> create(const std::string& base_path, std::size_t n_tokens, int vocab_size);

  // Rows come in the order of the text. next_id: the token that follows, -1: none. log_sum: log of the sum of exp.
  Status add(std::span<const float> logits, double log_sum, int next_id);

  // {"tokens", "scored", "perplexity"} and with a base {"kl", "kl_max", "same_best"}: the mean and largest
  // Kullback-Leibler divergence of this run from the base, in nats, and the share of rows whose likeliest token is the
  // same.
  std::string json() const;

 private:
  ScoreSummary() = default;
  Status compare(std::span<const float> logits, double log_sum);

  std::string base_path_;
  File base_;
  std::vector<float> base_row_;  // [vocab_size]
  std::int64_t n_rows_ = 0, n_scored_ = 0, n_same_best_ = 0;
  double logprob_ = 0, kl_ = 0, kl_max_ = 0;
};

}  // namespace r1
