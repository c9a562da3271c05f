// trained_import.cpp: a file's tensors by name, decoded to f32, in the order of a trained model's array.
#include "apps/trained_import.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "apps/gguf_vocabulary.h"
#include "formats/gguf.h"
#include "kernels/kernels.h"
#include "train/learner.h"
#include "train/shapes.h"

namespace r1 {
namespace {

Error mismatch(const std::string& path, std::string what) {
  return {ErrorCode::kInvalidInput, fmt::format("'{}' can't be trained: {}", path, what)};
}

bool is_of_mtp(const ModelConfig& config, const ParameterTensor& parameter) {
  return parameter.name.starts_with(fmt::format("blk.{}.", config.n_layers));
}

Status copy_tensors(const GgufFile& file, const std::string& path, TrainedModel& model) {
  std::map<std::string_view, const StoredTensor*> stored;
  for (const StoredTensor& tensor : file.tensors()) stored.emplace(tensor.name, &tensor);
  const bool has_mtp = std::any_of(model.parameters().begin(), model.parameters().end(), [&](const auto& p) {
    return is_of_mtp(model.config(), p) && stored.contains(p.name);
  });
  std::size_t n_copied = 0;
  for (const ParameterTensor& p : model.parameters()) {
    if (!has_mtp && is_of_mtp(model.config(), p)) continue;  // stays as it was drawn
    const auto found = stored.find(p.name);
    if (found == stored.end()) return mismatch(path, fmt::format("it has no tensor {}", p.name));
    const StoredTensor& tensor = *found->second;
    if (tensor.shape != p.shape) {
      return mismatch(path, fmt::format("{} is {}, in shape {} {}", p.name, to_string(tensor.shape),
                                        model.config().name, to_string(p.shape)));
    }
    const auto dequantize = kernels(tensor.dtype).dequantize;
    if (dequantize == nullptr)
      return mismatch(path,
                      fmt::format("{} holds integers ({}), weights were expected", p.name, traits(tensor.dtype).name));
    dequantize(tensor.data, model.values().data() + p.offset, p.shape.n_values());
    ++n_copied;
  }
  if (n_copied < stored.size()) {
    return mismatch(
        path, fmt::format("it has {} tensors, {} of them in shape {}", stored.size(), n_copied, model.config().name));
  }
  return {};
}

}  // namespace

Status import_trained(const std::string& gguf_path, const std::string& checkpoint_path, std::string shape) {
  R1_TRY(const GgufFile file, GgufFile::open(gguf_path));
  if (shape.empty()) {
    R1_TRY(shape, file.metadata().string("general.name", ""));
  }
  R1_TRY(Vocabulary vocabulary, vocabulary_from_gguf(file.metadata()));
  const auto config = trained_shape(shape, static_cast<int>(vocabulary.tokens.size()));
  if (!config.ok()) return with_context(config.error(), fmt::format("'{}' can't be trained", gguf_path));
  TrainedModel model(config.value(), 1);
  R1_TRY_STATUS(copy_tensors(file, gguf_path, model));
  const std::span<const float> values = model.values();
  return save_model({shape, std::move(vocabulary), {values.begin(), values.end()}}, checkpoint_path);
}

}  // namespace r1
