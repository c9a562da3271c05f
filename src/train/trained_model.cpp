// trained_model.cpp: the table of tensors (model/tensor_table.h) laid out one after another.
#include "train/trained_model.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/assert.h"
#include "base/rng.h"
#include "model/tensor_table.h"

namespace r1 {
namespace {

constexpr float kEmbedStddev = 0.03f, kStddevOfOneInput = 0.5f;

bool is_wanted(const ModelConfig& c, const TensorSpec& spec, int layer) {
  // Training holds the up-projection of MLA whole, as Hugging Face folders do.
  return spec.wanted(c, layer) && !(spec.optional && spec.hf.empty());
}

bool is_vector(const TensorSpec& spec) { return std::holds_alternative<const float * LayerWeights::*>(spec.field); }

bool is_router_bias(const TensorSpec& spec) {
  const auto* field = std::get_if<const float * LayerWeights::*>(&spec.field);
  return field != nullptr && *field == &LayerWeights::router_bias;
}

Weight matrix_at(const float* data, const Shape& shape) {
  return {.data = reinterpret_cast<const std::byte*>(data), .dtype = Dtype::kF32, .shape = shape};
}

int n_layers_with_mtp(const ModelConfig& c) { return c.n_layers + (c.n_mtp_layers > 0 ? 1 : 0); }

// Places tensors one after another.
class Layout {
 public:
  Layout(const ModelConfig& c, std::vector<ParameterTensor>& parameters) : c_(c), parameters_(parameters) {}

  void matrix(std::string name, const Shape& shape, bool writes_to_stream) {
    float stddev = kStddevOfOneInput / std::sqrt(static_cast<float>(shape.last()));
    if (writes_to_stream) stddev /= std::sqrt(2.0f * static_cast<float>(c_.n_layers));
    place({.name = std::move(name), .shape = shape, .is_matrix = true, .init_stddev = stddev});
  }
  void table(std::string name) {
    place({.name = std::move(name), .shape = {c_.vocab_size, c_.dim}, .is_matrix = true, .init_stddev = kEmbedStddev});
  }
  void vector(std::string name, const Shape& shape, float start) {
    place({.name = std::move(name), .shape = shape, .start_value = start});
  }
  std::int64_t size() const { return size_; }

 private:
  void place(ParameterTensor parameter) {
    parameter.offset = size_;
    size_ += parameter.shape.n_values();
    parameters_.push_back(std::move(parameter));
  }

  const ModelConfig& c_;
  std::vector<ParameterTensor>& parameters_;
  std::int64_t size_ = 0;
};

void lay_out_layer(const ModelConfig& c, int layer, Layout& layout) {
  for (const TensorSpec& spec : layer_tensors()) {
    if (!is_wanted(c, spec, layer) || is_router_bias(spec)) continue;
    const std::string name = gguf_layer_name(layer, spec.gguf);
    if (is_vector(spec)) {
      layout.vector(name, spec.shape(c), spec.gguf.ends_with(".bias") ? 0.0f : 1.0f);
    } else {
      const bool to_stream = spec.gguf.starts_with("attn_output") || spec.gguf.starts_with("ffn_down");
      layout.matrix(name, spec.shape(c), to_stream);
    }
  }
  if (!c.is_moe_layer(layer)) return;
  for (const ExpertSpec& spec : expert_tensors()) {
    const Shape one = spec.shape(c);
    layout.matrix(gguf_layer_name(layer, spec.gguf), {c.route.n_routed_experts, one[0], one[1]},
                  spec.gguf.starts_with("ffn_down"));
  }
}

}  // namespace

TrainedModel::TrainedModel(const ModelConfig& config, std::uint64_t seed) {
  model_.config = config;
  lay_out();
  bind();
  draw(seed);
}

void TrainedModel::lay_out() {
  const ModelConfig& c = config();
  Layout layout(c, parameters_);
  layout.table(std::string(kGgufNames.embed));
  for (int layer = 0; layer < c.n_layers; ++layer) lay_out_layer(c, layer, layout);
  layout.vector(std::string(kGgufNames.norm), {c.dim}, 1.0f);
  if (!c.tied_head) layout.table(std::string(kGgufNames.head));
  if (c.n_mtp_layers > 0) lay_out_layer(c, c.n_layers, layout);
  n_own_trained_ = layout.size();
  n_own_tensors_ = parameters_.size();
  for (int layer = 0; layer < n_layers_with_mtp(c); ++layer) {
    for (const TensorSpec& spec : layer_tensors()) {
      if (!is_router_bias(spec) || !is_wanted(c, spec, layer)) continue;
      layout.vector(gguf_layer_name(layer, spec.gguf), spec.shape(c), 0.0f);
    }
  }
  values_.resize(static_cast<std::size_t>(layout.size()));
}

void TrainedModel::bind() {
  const ModelConfig& c = config();
  std::map<std::string, const float*> found;
  for (const ParameterTensor& p : parameters_) found.emplace(p.name, values_.data() + p.offset);
  const auto at = [&](const std::string& name) {
    const auto place = found.find(name);
    R1_ASSERT(place != found.end(), "every tensor was laid out");
    return place->second;
  };
  Weights& w = model_.weights;
  w.embed = matrix_at(at(std::string(kGgufNames.embed)), {c.vocab_size, c.dim});
  w.head = c.tied_head ? w.embed : matrix_at(at(std::string(kGgufNames.head)), {c.vocab_size, c.dim});
  w.norm = at(std::string(kGgufNames.norm));
  w.layers.resize(static_cast<std::size_t>(c.n_layers));
  for (int layer = 0; layer < n_layers_with_mtp(c); ++layer) {
    LayerWeights& mine = layer < c.n_layers ? w.layers[static_cast<std::size_t>(layer)] : w.mtp.emplace();
    for (const TensorSpec& spec : layer_tensors()) {
      if (!is_wanted(c, spec, layer)) continue;
      const float* data = at(gguf_layer_name(layer, spec.gguf));
      if (const auto* matrix = std::get_if<Weight LayerWeights::*>(&spec.field)) {
        mine.** matrix = matrix_at(data, spec.shape(c));
      } else {
        mine.*std::get<const float * LayerWeights::*>(spec.field) = data;
      }
    }
    if (!c.is_moe_layer(layer)) continue;
    mine.experts.resize(static_cast<std::size_t>(c.route.n_routed_experts));
    for (const ExpertSpec& spec : expert_tensors()) {
      const Shape one = spec.shape(c);
      const float* data = at(gguf_layer_name(layer, spec.gguf));
      for (std::size_t e = 0; e < mine.experts.size(); ++e) {
        mine.experts[e].*spec.field = matrix_at(data + static_cast<std::int64_t>(e) * one.n_values(), one);
      }
    }
  }
}

void TrainedModel::draw(std::uint64_t seed) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const ParameterTensor& p = parameters_[i];
    Rng rng(seed, i);
    float* first = values_.data() + p.offset;
    std::generate_n(first, p.shape.n_values(),
                    [&] { return p.is_matrix ? p.init_stddev * rng.normal() : p.start_value; });
  }
}

Status TrainedModel::add_adapters(const LoraConfig& config, std::uint64_t seed) {
  R1_TRY(const std::vector<ParameterTensor> targets, lora_targets(config, parameters_));
  lora_ = std::make_unique<LoraAdapters>(config, targets, values_, seed);
  return {};
}

void TrainedModel::merge_adapters(ThreadPool& pool) {
  if (lora_) lora_->merge(pool, lora_->numbers(), values_);
}

std::span<float> TrainedModel::router_bias(int layer) {
  const float* bias = model_.weights.layer(layer).router_bias;
  if (bias == nullptr) return {};
  return {values_.data() + (bias - values_.data()), static_cast<std::size_t>(config().route.n_routed_experts)};
}

}  // namespace r1
