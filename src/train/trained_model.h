// trained_model.h: a model whose numbers change: all of them in one array, to which the model's weights are views. So
// the optimizer, checkpoints and gradients see one vector, and the forward sees a model like any other.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/weights.h"
#include "train/lora.h"
#include "train/parameter_tensor.h"

namespace r1 {

class TrainedModel {
 public:
  // Numbers are drawn by the seed: matrices normal with standard deviation 0.5 / sqrt(n_in), those that write to the
  // residual stream divided by sqrt(2 n_layers), the embedding 0.03. The layer for multi-token prediction, if the
  // configuration has one, changes no other number.
  TrainedModel(const ModelConfig& config, std::uint64_t seed);
  TrainedModel(TrainedModel&&) noexcept = default;  // views into the array stay valid

  const Model& model() const { return model_; }
  const ModelConfig& config() const { return model_.config; }
  std::span<const ParameterTensor> parameters() const { return parameters_; }
  std::span<float> values() { return values_; }
  std::span<const float> values() const { return values_; }
  // What has gradients: the first numbers of the array, behind which lie the routers' biases, which balancing moves;
  // or, with adapters, theirs.
  std::int64_t n_trained() const { return lora_ ? std::ssize(lora_->numbers()) : n_own_trained_; }
  std::span<const ParameterTensor> trained_tensors() const {
    return lora_ ? lora_->tensors() : std::span(parameters_).first(n_own_tensors_);
  }
  std::span<float> trained_values() {
    return lora_ ? lora_->numbers() : values().first(static_cast<std::size_t>(n_own_trained_));
  }

  // From now on adapters are trained, and the numbers that are in the array now are their base.
  Status add_adapters(const LoraConfig& config, std::uint64_t seed);
  const LoraAdapters* lora() const { return lora_.get(); }  // null: none
  // The array after trained_values() have changed. Nothing is to be done without adapters.
  void merge_adapters(ThreadPool& pool);
  // [n_routed_experts] of a layer with experts and a bias, that of multi-token prediction (n_layers) included; empty
  // for others.
  std::span<float> router_bias(int layer);

 private:
  void lay_out();
  void bind();
  void draw(std::uint64_t seed);

  Model model_;
  std::vector<ParameterTensor> parameters_;
  std::vector<float> values_;
  std::int64_t n_own_trained_ = 0;
  std::size_t n_own_tensors_ = 0;
  std::unique_ptr<LoraAdapters> lora_;
};

}  // namespace r1
