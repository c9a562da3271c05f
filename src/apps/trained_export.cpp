// trained_export.cpp: parameters by name, quantised one after another.
#include "apps/trained_export.h"

#include <fmt/format.h>

#include "apps/model_metadata.h"
#include "kernels/kernels.h"
#include "train/gguf_tokenizer.h"
#include "train/learner.h"
#include "train/shapes.h"
#include "train/trained_file_type.h"

namespace r1 {
namespace {

Dtype stored_as(const ParameterTensor& parameter, Dtype wanted) {
  const bool is_router = parameter.name.ends_with("ffn_gate_inp.weight");
  const bool fits = parameter.shape.last() % traits(wanted).block_values == 0;
  return parameter.is_matrix && !is_router && fits ? wanted : Dtype::kF32;
}

}  // namespace

Status export_trained(const std::string& checkpoint_path, const std::string& gguf_path, std::string_view type) {
  R1_TRY(const TrainedFileType wanted, trained_file_type(type));
  R1_TRY(const SavedModel saved, load_saved_model(checkpoint_path));
  R1_TRY(const ModelConfig config, trained_shape(saved.shape, static_cast<int>(saved.vocabulary.tokens.size())));
  const TrainedModel laid_out(config, 0);
  if (laid_out.values().size() != saved.values.size()) {
    return Error{ErrorCode::kInvalidInput, fmt::format("checkpoint '{}' has {} numbers, shape {} {}", checkpoint_path,
                                                       saved.values.size(), saved.shape, laid_out.values().size())};
  }
  GgufMetadata metadata = gguf_metadata(config, MlaTensors::kJoined);
  metadata.set("general.file_type", wanted.number);
  if (wanted.dtype == Dtype::kQ8_0) metadata.set("general.quantization_version", std::uint64_t{2});
  add_r1_tokenizer(metadata, saved.vocabulary);
  std::vector<AnnouncedTensor> tensors;
  for (const ParameterTensor& p : laid_out.parameters())
    tensors.push_back({p.name, stored_as(p, wanted.dtype), p.shape});
  const auto produce = [&](std::size_t i, const TensorSink& sink) -> Status {
    const ParameterTensor& p = laid_out.parameters()[i];
    const std::int64_t n = p.shape.n_values();
    std::vector<std::byte> bytes(static_cast<std::size_t>(bytes_of(tensors[i].dtype, n)));
    kernels(tensors[i].dtype).quantize(saved.values.data() + p.offset, bytes.data(), n);
    return sink(bytes);
  };
  return GgufWriter(std::move(metadata), tensors).write(gguf_path, produce);
}

}  // namespace r1
