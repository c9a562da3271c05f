// trained_model.h: a model whose numbers change: all of them in one array, to which the model's weights are views. So
// the optimizer, checkpoints and gradients see one vector, and the forward sees a model like any other.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/weights.h"

namespace r1 {

// A tensor of the array, under its GGUF name.
struct ParameterTensor {
  std::string name;
  Shape shape;
  std::int64_t offset = 0;  // of its first number in the array
  bool is_matrix = false;   // weight decay is for matrices
  float init_stddev = 0;    // of a matrix's random start; vectors: see start_value
  float start_value = 0;    // vectors: 1 for norms, 0 for biases
};

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
  // The first n_trained() numbers have gradients; behind them lie the routers' biases, which balancing moves.
  std::int64_t n_trained() const { return n_trained_; }
  std::span<const ParameterTensor> trained_tensors() const { return std::span(parameters_).first(n_trained_tensors_); }
  std::span<float> trained_values() { return values().first(static_cast<std::size_t>(n_trained_)); }
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
  std::int64_t n_trained_ = 0;
  std::size_t n_trained_tensors_ = 0;
};

}  // namespace r1
