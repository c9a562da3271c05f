// load_model.cpp: files to Weights, by the table; every tensor is asked for once and every tensor of the file must have
// been asked for.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "kernels/kernels.h"
#include "model/tensor_table.h"
#include "model/weights.h"

namespace r1 {
namespace {

// The tensors of a file by name, and which of them have been bound.
class Binder {
 public:
  Binder(std::span<const StoredTensor> tensors, std::deque<std::vector<float>>& converted) : converted_(converted) {
    for (const StoredTensor& tensor : tensors) by_name_.emplace(tensor.name, &tensor);
  }

  bool has(const std::string& name) const { return by_name_.contains(name); }
  const StoredTensor* find(const std::string& name) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return nullptr;
    bound_.insert(name);
    return found->second;
  }

  // Shapes are compared as rows and row length: files differ in how they fold a stack of matrices.
  Result<Weight> matrix(const std::string& name, const Shape& shape) {
    const StoredTensor* tensor = find(name);
    if (tensor == nullptr) return Error{ErrorCode::kInvalidInput, fmt::format("tensor '{}' is missing", name)};
    if (tensor->shape.n_rows() != shape.n_rows() || tensor->shape.last() != shape.last())
      return misshapen(*tensor, shape);
    if (tensor->dtype == Dtype::kI32 || tensor->dtype == Dtype::kI64) {
      return Error{ErrorCode::kInvalidInput, fmt::format("tensor '{}' holds integers ({}), weights were expected", name,
                                                         traits(tensor->dtype).name)};
    }
    Weight weight{tensor->data, tensor->dtype, shape, nullptr, 0};
    if (weight.dtype == Dtype::kF8E4M3) {
      const Shape blocks{(shape.n_rows() + 127) / 128, (shape.last() + 127) / 128};
      R1_TRY(weight.block_scales, vector(name + "_scale_inv", blocks));
    }
    return weight;
  }

  // Converted to f32, whatever float the file uses: vectors are small, and files don't align them.
  Result<const float*> vector(const std::string& name, const Shape& shape) {
    const StoredTensor* tensor = find(name);
    if (tensor == nullptr) return Error{ErrorCode::kInvalidInput, fmt::format("tensor '{}' is missing", name)};
    if (tensor->shape.n_values() != shape.n_values()) return misshapen(*tensor, shape);
    if (!is_plain_float(tensor->dtype)) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("tensor '{}' is {}, but must be F32, F16 or BF16", name, traits(tensor->dtype).name)};
    }
    std::vector<float>& values = converted_.emplace_back(static_cast<std::size_t>(shape.n_values()));
    kernels(tensor->dtype).dequantize(tensor->data, values.data(), shape.n_values());
    return values.data();
  }

  // The first tensor nobody asked for, if `ignored` does not excuse it.
  template <typename Ignored>
  Status check_all_bound(std::string_view architecture, Ignored ignored) const {
    for (const auto& [name, tensor] : by_name_) {
      if (bound_.contains(name) || ignored(name)) continue;
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("tensor '{}' is not part of a {} model of this configuration", name, architecture)};
    }
    return {};
  }

 private:
  static Error misshapen(const StoredTensor& tensor, const Shape& expected) {
    return {ErrorCode::kInvalidInput, fmt::format("tensor '{}' has shape {}, the configuration says {}", tensor.name,
                                                  to_string(tensor.shape), to_string(expected))};
  }

  std::map<std::string, const StoredTensor*> by_name_;
  std::set<std::string> bound_;
  std::deque<std::vector<float>>& converted_;
};

enum class Naming { kGguf, kHuggingFace };

std::string layer_name(Naming naming, int layer, const TensorSpec& spec) {
  return naming == Naming::kGguf ? gguf_layer_name(layer, spec.gguf) : hf_layer_name(layer, spec.hf);
}

Status bind_layer_tensor(Binder& binder, Naming naming, const ModelConfig& c, const TensorSpec& spec, int layer,
                         LayerWeights& w) {
  if (!spec.wanted(c, layer)) return {};
  if (naming == Naming::kHuggingFace && spec.hf.empty()) return {};
  const std::string name = layer_name(naming, layer, spec);
  if (spec.optional && !binder.has(name)) return {};
  if (const auto* matrix = std::get_if<Weight LayerWeights::*>(&spec.field)) {
    R1_TRY(w.**matrix, binder.matrix(name, spec.shape(c)));
  } else {
    R1_TRY(w.*std::get<const float * LayerWeights::*>(spec.field), binder.vector(name, spec.shape(c)));
  }
  return {};
}

Status bind_stacked_experts(Binder& binder, const ModelConfig& c, int layer, std::vector<ExpertWeights>& experts) {
  for (const ExpertSpec& spec : expert_tensors()) {
    const Shape one = spec.shape(c);
    R1_TRY(const Weight all,
           binder.matrix(gguf_layer_name(layer, spec.gguf), Shape{c.route.n_routed_experts, one[0], one[1]}));
    for (int e = 0; e < c.route.n_routed_experts; ++e) {
      experts[static_cast<std::size_t>(e)].*spec.field = all.rows(std::int64_t{e} * one[0], one[0]);
    }
  }
  return {};
}

Status bind_separate_experts(Binder& binder, const ModelConfig& c, int layer, std::vector<ExpertWeights>& experts) {
  for (const ExpertSpec& spec : expert_tensors()) {
    for (int e = 0; e < c.route.n_routed_experts; ++e) {
      const std::string name = hf_expert_name(layer, e, spec.hf);
      Weight& weight = experts[static_cast<std::size_t>(e)].*spec.field;
      R1_TRY(weight, binder.matrix(name, spec.shape(c)));
      if (weight.dtype != (experts[0].*spec.field).dtype) {
        return Error{ErrorCode::kUnsupported,
                     fmt::format("tensor '{}' is {}, but expert 0 of its layer is {}", name, traits(weight.dtype).name,
                                 traits((experts[0].*spec.field).dtype).name)};
      }
    }
  }
  return {};
}

Status bind_layer(Binder& binder, Naming naming, const ModelConfig& c, int layer, LayerWeights& w) {
  for (const TensorSpec& spec : layer_tensors()) R1_TRY_STATUS(bind_layer_tensor(binder, naming, c, spec, layer, w));
  if (c.is_deepseek() && !w.wkv_b.present() && !(w.wk_b.present() && w.wv_b.present())) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("layer {} has neither attn_kv_b nor both of attn_k_b and attn_v_b", layer)};
  }
  if (!c.is_moe_layer(layer)) return {};
  w.experts.resize(static_cast<std::size_t>(c.route.n_routed_experts));
  return naming == Naming::kGguf ? bind_stacked_experts(binder, c, layer, w.experts)
                                 : bind_separate_experts(binder, c, layer, w.experts);
}

Status bind_layers(Binder& binder, Naming naming, const ModelConfig& c, std::vector<LayerWeights>& layers) {
  layers.resize(static_cast<std::size_t>(c.n_layers));
  for (int layer = 0; layer < c.n_layers; ++layer)
    R1_TRY_STATUS(bind_layer(binder, naming, c, layer, layers[static_cast<std::size_t>(layer)]));
  return {};
}

// The module for multi-token prediction, where the file has it: many were made without, whatever their configuration
// says.
Status bind_mtp(Binder& binder, Naming naming, const ModelConfig& c, Weights& w) {
  const bool is_gguf = naming == Naming::kGguf;
  const int layer = c.n_layers;
  const std::string joins =
      is_gguf ? gguf_layer_name(layer, "nextn.eh_proj.weight") : hf_layer_name(layer, "eh_proj.weight");
  if (c.n_mtp_layers == 0 || !binder.has(joins)) return {};
  R1_TRY_STATUS(bind_layer(binder, naming, c, layer, w.mtp.emplace()));
  for (const std::string_view copy : is_gguf ? kGgufMtpCopies : kHfMtpCopies)
    binder.find(is_gguf ? gguf_layer_name(layer, copy) : hf_layer_name(layer, copy));
  return {};
}

// Layers for predicting still further ahead, and what is left of one without its module: not used.
bool is_unused_mtp(const ModelConfig& c, const Weights& w, std::string_view name, std::string_view prefix) {
  for (int layer = c.n_layers + (w.mtp ? 1 : 0); layer < c.n_layers + c.n_mtp_layers; ++layer) {
    if (name.starts_with(fmt::format("{}{}.", prefix, layer))) return true;
  }
  return false;
}

Status bind_outer(Binder& binder, const OuterNames& names, ModelConfig& c, Weights& w) {
  const Shape table{c.vocab_size, c.dim};
  R1_TRY(w.embed, binder.matrix(std::string(names.embed), table));
  R1_TRY(w.norm, binder.vector(std::string(names.norm), {c.dim}));
  if (c.tied_head) {
    binder.find(std::string(names.head));  // some files carry a copy
    w.head = w.embed;
  } else {
    R1_TRY(w.head, binder.matrix(std::string(names.head), table));
  }
  if (w.embed.dtype == Dtype::kF8E4M3) {
    return Error{ErrorCode::kUnsupported, "the embedding table is FP8, which no released model does"};
  }
  return {};
}

// Llama 3.1's frequency scaling, which the converter turns into one factor per pair.
Status bind_rope_factors(Binder& binder, ModelConfig& c) {
  const std::string name = "rope_freqs.weight";
  if (!binder.has(name)) return {};
  const std::int64_t n_pairs = c.rope.n_dims / 2;
  R1_TRY(const float* factors, binder.vector(name, {n_pairs}));
  c.rope.scaling = RopeConfig::Scaling::kFactors;
  c.rope.freq_factors.assign(factors, factors + n_pairs);
  return {};
}

Result<Model> load_gguf(const std::string& path) {
  R1_TRY(GgufFile file, GgufFile::open(path));
  Model model;
  R1_TRY(model.config, config_from_gguf(file.metadata()));
  Binder binder(file.tensors(), model.converted);
  model.config.tied_head = !binder.has(std::string(kGgufNames.head));
  R1_TRY_STATUS(bind_outer(binder, kGgufNames, model.config, model.weights));
  R1_TRY_STATUS(bind_layers(binder, Naming::kGguf, model.config, model.weights.layers));
  R1_TRY_STATUS(bind_rope_factors(binder, model.config));
  R1_TRY_STATUS(bind_mtp(binder, Naming::kGguf, model.config, model.weights));
  R1_TRY_STATUS(binder.check_all_bound(to_string(model.config.architecture), [&](const std::string& name) {
    return is_unused_mtp(model.config, model.weights, name, "blk.");
  }));
  model.files = std::move(file);
  return model;
}

Result<Model> load_hf_folder(const std::string& folder) {
  R1_TRY(const Json config, read_json_file(folder + "/config.json", {.max_depth = 32, .max_bytes = 1 << 20}));
  Model model;
  R1_TRY(model.config, config_from_hf(config));
  R1_TRY(SafetensorsFile file, SafetensorsFile::open(folder));
  Binder binder(file.tensors(), model.converted);
  R1_TRY_STATUS(bind_outer(binder, kHfNames, model.config, model.weights));
  R1_TRY_STATUS(bind_layers(binder, Naming::kHuggingFace, model.config, model.weights.layers));
  R1_TRY_STATUS(bind_mtp(binder, Naming::kHuggingFace, model.config, model.weights));
  R1_TRY_STATUS(binder.check_all_bound(to_string(model.config.architecture), [&](const std::string& name) {
    return name.ends_with(".rotary_emb.inv_freq") || is_unused_mtp(model.config, model.weights, name, "model.layers.");
  }));
  model.files = std::move(file);
  return model;
}

}  // namespace

Result<Model> load_model(const std::string& path) {
  auto model = is_directory(path) ? load_hf_folder(path) : load_gguf(path);
  if (!model.ok()) {
    const std::string& message = model.error().message;
    if (message.find(path) == std::string::npos) return with_context(std::move(model).error(), path);
    return model;
  }
  if (auto damage = model->damage()) return *std::move(damage);
  return model;
}

std::span<const MappedFile> Model::mapped_files() const {
  if (const auto* gguf = std::get_if<GgufFile>(&files)) return gguf->files();
  if (const auto* safetensors = std::get_if<SafetensorsFile>(&files)) return safetensors->files();
  return {};
}

std::optional<Error> Model::damage() const {
  for (const MappedFile& file : mapped_files()) {
    if (!file.is_broken()) continue;
    return Error{ErrorCode::kIo, file.path() + ": cut short, or unreadable, while it was in use"};
  }
  return std::nullopt;
}

std::int64_t bytes_per_token(const Model& model) {
  const ModelConfig& c = model.config;
  std::int64_t bytes = model.weights.head.n_bytes();
  for (const LayerWeights& layer : model.weights.layers) {
    for (const TensorSpec& spec : layer_tensors()) {
      const auto* matrix = std::get_if<Weight LayerWeights::*>(&spec.field);
      if (matrix != nullptr && (layer.**matrix).present()) bytes += (layer.**matrix).n_bytes();
    }
    if (layer.experts.empty()) continue;
    const ExpertWeights& one = layer.experts.front();
    bytes += c.route.n_activated_experts * (one.gate.n_bytes() + one.up.n_bytes() + one.down.n_bytes());
  }
  return bytes;
}

}  // namespace r1
