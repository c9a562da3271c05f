// example.cpp: rows, targets and cache blocks of some examples, one after another.
#include "train/example.h"

#include <algorithm>
#include <numeric>

#include "base/assert.h"

namespace r1 {

int n_blocks_of(const Example& example) {
  return (example.n_rows() + KvCache::kBlockTokens - 1) / KvCache::kBlockTokens;
}

PackedBatch::PackedBatch(std::span<const Example> examples) {
  blocks_.reserve(examples.size());  // spans of the blocks are kept
  for (const Example& example : examples) {
    R1_ASSERT(example.n_rows() >= 1, "an example predicts something");
    R1_ASSERT(example.coefficients.size() == example.tokens.size(), "a coefficient for each token");
    const int first_row = n_rows(), n = example.n_rows();
    std::vector<KvBlockId>& blocks = blocks_.emplace_back(static_cast<std::size_t>(n_blocks_of(example)));
    std::iota(blocks.begin(), blocks.end(), n_blocks_);
    n_blocks_ += static_cast<int>(blocks.size());
    for (int i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      token_ids_.push_back(example.tokens[at]);
      positions_.push_back(i);
      next_ids_.push_back(example.tokens[at + 1]);
      if (i + 1 < n && example.coefficients[at + 2] != 0.0f) {
        mtp_rows_.push_back(first_row + i);
        mtp_targets_.push_back(example.tokens[at + 2]);
        mtp_coefficients_.push_back(example.coefficients[at + 2]);
      }
      if (example.coefficients[at + 1] == 0.0f) continue;  // a prompt's tokens: the head is spared
      logits_rows_.push_back(first_row + i);
      targets_.push_back(example.tokens[at + 1]);
      coefficients_.push_back(example.coefficients[at + 1]);
    }
    const int n_prompt = example.n_prompt < 0 ? n : std::min(n, example.n_prompt);
    sequences_.push_back({.first_row = first_row, .n_rows = n_prompt, .first_position = 0, .blocks = blocks});
    if (n_prompt == n) continue;
    sequences_.push_back({.first_row = first_row + n_prompt,
                          .n_rows = n - n_prompt,
                          .first_position = n_prompt,
                          .blocks = blocks,
                          .mla_kernel = MlaKernel::kAbsorbed});
  }
}

std::vector<std::vector<int>> cut_into_shares(std::span<const Example> examples, int n) {
  std::vector<int> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return examples[static_cast<std::size_t>(a)].n_rows() > examples[static_cast<std::size_t>(b)].n_rows();
  });
  std::vector<std::vector<int>> shares(static_cast<std::size_t>(n));
  std::vector<std::int64_t> rows(static_cast<std::size_t>(n), 0);
  for (const int index : order) {
    const auto least = static_cast<std::size_t>(std::min_element(rows.begin(), rows.end()) - rows.begin());
    shares[least].push_back(index);
    rows[least] += examples[static_cast<std::size_t>(index)].n_rows();
  }
  return shares;
}

}  // namespace r1
