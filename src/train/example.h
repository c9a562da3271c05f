// example.h: what a model is trained on, and how some of it becomes a batch of the forward: rows one after another, no
// padding.
//
// Every loss of language models but logit distillation is a sum over tokens of coefficient * -log p(token | those
// before): supervised fine-tuning with 1 / n, policy gradients with advantage / n, and what clips or ratios make of
// it. So an example is tokens with coefficients, and one backward serves all.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/pass.h"

namespace r1 {

struct Example {
  std::vector<int> tokens;  // at least 2
  std::vector<float>
      coefficients;  // [tokens]: of -log p(tokens[i] | tokens before i); that of i = 0 counts for nothing
  // Rows that an engine computed as a prompt, the others as a completion: the kernels of attention differ, in the last
  // bits. -1: all as a prompt.
  int n_prompt = -1;

  int n_rows() const { return static_cast<int>(tokens.size()) - 1; }  // the last token is only a target
};

// Views into the examples' batch; valid as long as this is.
class PackedBatch {
 public:
  explicit PackedBatch(std::span<const Example> examples);

  Batch view() const {
    return {.token_ids = token_ids_, .positions = positions_, .sequences = sequences_, .logits_rows = logits_rows_};
  }
  // Of the rows whose coefficient is not 0, example by example: only their logits are asked for.
  std::span<const int> targets() const { return targets_; }
  std::span<const float> coefficients() const { return coefficients_; }
  // Of multi-token prediction: the token after each row's; and rows that also have a token after that one with a
  // coefficient, which is their target.
  struct Mtp {
    std::span<const int> next_ids;              // [rows]
    std::span<const int> logits_rows, targets;  // [targets]
    std::span<const float> coefficients;        // [targets]
  };
  Mtp mtp() const { return {next_ids_, mtp_rows_, mtp_targets_, mtp_coefficients_}; }
  int n_rows() const { return static_cast<int>(token_ids_.size()); }
  int n_blocks() const { return n_blocks_; }  // of the cache

 private:
  std::vector<int> token_ids_, positions_, logits_rows_, targets_;
  std::vector<float> coefficients_;
  std::vector<int> next_ids_, mtp_rows_, mtp_targets_;
  std::vector<float> mtp_coefficients_;
  std::vector<std::vector<KvBlockId>> blocks_;
  std::vector<SequenceRows> sequences_;
  int n_blocks_ = 0;
};

// Blocks of the cache that packing these examples takes.
int n_blocks_of(const Example& example);

// Examples by index, cut into `n` shares of about equal rows: the longest first, each to the share that has least.
// Depends on the lengths alone.
std::vector<std::vector<int>> cut_into_shares(std::span<const Example> examples, int n);

}  // namespace r1
