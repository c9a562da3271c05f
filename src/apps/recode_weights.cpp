// recode_weights.cpp: row after row, through f32.
#include "apps/recode_weights.h"

#include <unistd.h>

#include <variant>
#include <vector>

#include <fmt/format.h>

#include "kernels/kernels.h"
#include "model/tensor_table.h"

namespace r1 {
namespace {

bool is_blocks(Dtype dtype) { return traits(dtype).block_values > 1; }

bool wants(const Weight& w, Dtype dtype) {
  if (!w.present() || w.dtype == Dtype::kF8E4M3 || w.dtype == dtype) return false;
  return is_blocks(dtype) ? w.n_cols() % traits(dtype).block_values == 0 : is_blocks(w.dtype);
}

// Every matrix but routers; a head that is the embedding comes as one.
std::vector<Weight*> matrices_of(Weights& weights) {
  std::vector<Weight*> matrices = {&weights.embed};
  if (weights.head.data != weights.embed.data) matrices.push_back(&weights.head);
  std::vector<LayerWeights*> layers;
  for (LayerWeights& layer : weights.layers) layers.push_back(&layer);
  if (weights.mtp) layers.push_back(&*weights.mtp);
  for (LayerWeights* layer : layers) {
    for (const TensorSpec& spec : layer_tensors()) {
      const auto* field = std::get_if<Weight LayerWeights::*>(&spec.field);
      if (field != nullptr && *field != &LayerWeights::router) matrices.push_back(&(layer->**field));
    }
    for (ExpertWeights& expert : layer->experts)
      matrices.insert(matrices.end(), {&expert.gate, &expert.up, &expert.down});
  }
  return matrices;
}

Status check_memory(const std::vector<Weight*>& matrices, Dtype dtype) {
  std::int64_t n_bytes = 0;
  for (const Weight* w : matrices) n_bytes += wants(*w, dtype) ? w->n_rows() * bytes_of(dtype, w->n_cols()) : 0;
  const std::int64_t memory = std::int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  if (n_bytes < memory) return {};
  return Error{ErrorCode::kOutOfResource,
               fmt::format("the weights in {} would take {:.1f} GB, this machine has {:.1f}", traits(dtype).name,
                           static_cast<double>(n_bytes) * 1e-9, static_cast<double>(memory) * 1e-9)};
}

void recode(Weight& w, Dtype dtype, std::vector<float>& storage) {
  const std::int64_t row_bytes = bytes_of(dtype, w.n_cols());
  storage.resize(static_cast<std::size_t>((w.n_rows() * row_bytes + 3) / 4));
  auto* to = reinterpret_cast<std::byte*>(storage.data());
  std::vector<float> row(static_cast<std::size_t>(w.n_cols()));
  for (std::int64_t i = 0; i < w.n_rows(); ++i) {
    kernels(w.dtype).dequantize(w.data + i * w.row_bytes(), row.data(), w.n_cols());
    kernels(dtype).quantize(row.data(), to + i * row_bytes, w.n_cols());
  }
  w.data = to;
  w.dtype = dtype;
}

}  // namespace

Status recode_weights(Model& model, Dtype dtype) {
  if (dtype != Dtype::kF32 && !is_blocks(dtype)) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("weights can be recoded to F32 or a format of blocks, {} is neither", traits(dtype).name)};
  }
  const bool is_tied = model.weights.head.data == model.weights.embed.data;
  const std::vector<Weight*> matrices = matrices_of(model.weights);
  R1_TRY_STATUS(check_memory(matrices, dtype));
  for (Weight* w : matrices) {
    if (wants(*w, dtype)) recode(*w, dtype, model.converted.emplace_back());
  }
  if (is_tied) model.weights.head = model.weights.embed;
  return {};
}

}  // namespace r1
