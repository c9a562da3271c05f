// lora.h: low-rank adapters of a model's matrices (Hu et al. 2021): what is trained in the place of the model, whose
// own numbers, the base, stay.
//
// The model's array always holds the sums, base + alpha / rank * b a, made anew after every update from the base, which
// is kept beside (of the adapted matrices alone). So training, sampling and export see an ordinary model, at its speed;
// what adapters save is gradients, moments and checkpoints. Gradients: ops/adapters.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "ops/adapters.h"
#include "train/parameter_tensor.h"

namespace r1 {

struct LoraConfig {
  int rank = 0;     // 0: no adapters, the model itself is trained
  float alpha = 0;  // the sum takes alpha / rank of b a
  // Groups (attention, dense, shared, experts), or matrices by their GGUF names: attn_q, ffn_down_exps.
  std::vector<std::string> targets;

  bool is_on() const { return rank > 0; }
};

// Which of a model's tensors the configuration means. An Error for a target that the model doesn't have, but for those
// that are taken when none are named.
Result<std::vector<ParameterTensor>> lora_targets(const LoraConfig& config, std::span<const ParameterTensor> model);

class LoraAdapters {
 public:
  // For `targets` of the array `values`, whose numbers there are the base. a is drawn by the seed, normal with standard
  // deviation 1 / sqrt(n_in); b is 0: the sums are the base, every bit.
  LoraAdapters(const LoraConfig& config, const std::vector<ParameterTensor>& targets, std::span<const float> values,
               std::uint64_t seed);

  const LoraConfig& config() const { return config_; }
  std::span<const ParameterTensor> tensors() const { return tensors_; }  // "blk.0.attn_q.weight.lora_a", ".lora_b", …
  std::span<float> numbers() { return numbers_; }
  std::span<const float> numbers() const { return numbers_; }
  const Adapters& by_weight() const { return by_weight_; }  // of the array given to the constructor

  // The sums with these numbers, into an array like the constructor's.
  void merge(ThreadPool& pool, std::span<const float> numbers, std::span<float> values) const;

 private:
  // One matrix: of experts each.
  struct Matrix {
    std::int64_t n_out = 0, n_in = 0;
    std::int64_t value_offset = 0, base_offset = 0, a_offset = 0, b_offset = 0;
  };

  void add_target(const ParameterTensor& target, std::span<const float> values);
  void merge_row(const Matrix& m, std::int64_t row, std::span<const float> numbers, std::span<float> values) const;
  void draw(std::uint64_t seed);
  float scale() const { return config_.alpha / static_cast<float>(config_.rank); }

  LoraConfig config_;
  std::vector<ParameterTensor> tensors_;
  std::vector<Matrix> matrices_;
  std::vector<float> numbers_, base_;
  Adapters by_weight_;
};

}  // namespace r1
