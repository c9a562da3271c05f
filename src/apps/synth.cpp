// synth.cpp: from a shape's name to a file or a folder.
#include "apps/synth.h"

#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/synth_tokenizer.h"
#include "apps/type_mix.h"
#include "apps/units.h"
#include "base/file.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "text/hf_vocabulary_writer.h"
#include "train/gguf_tokenizer.h"

namespace r1 {
namespace {

std::vector<AnnouncedTensor> announced(const std::vector<SynthTensor>& tensors) {
  std::vector<AnnouncedTensor> result;
  result.reserve(tensors.size());
  for (const SynthTensor& tensor : tensors) result.push_back(tensor.announced);
  return result;
}

std::int64_t total_bytes(const std::vector<SynthTensor>& tensors) {
  std::int64_t total = 0;
  for (const SynthTensor& tensor : tensors) {
    total += bytes_of(tensor.announced.dtype, tensor.announced.shape.n_values());
  }
  return total;
}

// The folder that is there already, on whose disk `path` will lie.
std::filesystem::path existing_parent(const std::string& path) {
  std::error_code ignored;
  std::filesystem::path folder = std::filesystem::absolute(path, ignored);
  while (!std::filesystem::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

Status check_room(const std::string& destination, std::int64_t needed) {
  std::error_code problem;
  const auto space = std::filesystem::space(existing_parent(destination), problem);
  if (problem || space.available >= static_cast<std::uintmax_t>(needed)) return {};  // unknown: writing will tell
  return Error{ErrorCode::kOutOfResource,
               fmt::format("{}: {} needed, {} free on that disk", destination, format_bytes(needed),
                           format_bytes(static_cast<std::int64_t>(space.available)))};
}

// Hands tensors to a writer and tells how far it got.
class Producer {
 public:
  Producer(const std::vector<SynthTensor>& tensors, std::uint64_t seed, SynthProgress progress)
      : tensors_(tensors), weights_(seed), progress_(progress), total_bytes_(total_bytes(tensors)) {}

  Status operator()(std::size_t tensor, const TensorSink& sink) {
    const auto counted = [&](std::span<const std::byte> bytes) -> Status {
      done_bytes_ += static_cast<std::int64_t>(bytes.size());
      progress_(done_bytes_, total_bytes_);
      return sink(bytes);
    };
    return weights_.write(tensors_[tensor], counted);
  }

 private:
  const std::vector<SynthTensor>& tensors_;
  SynthWeights weights_;
  SynthProgress progress_;
  std::int64_t done_bytes_ = 0, total_bytes_;
};

Status write_gguf(const SynthOptions& options, const SynthShape& shape, const std::string& path,
                  SynthProgress progress) {
  const std::string type = options.type.empty() ? "q4_k_m" : options.type;
  R1_TRY(const TypeMix mix, type_mix(type));
  R1_TRY(const std::vector<SynthTensor> tensors, synth_gguf_tensors(shape.config, type, options.mla));
  R1_TRY(const SynthTokenizer tokenizer, synth_tokenizer(shape.tokens, shape.config.vocab_size));
  R1_TRY_STATUS(check_room(path, total_bytes(tensors)));
  GgufMetadata metadata = gguf_metadata(shape.config, options.mla);
  metadata.set("general.file_type", static_cast<std::uint64_t>(mix.file_type));
  metadata.set("general.quantization_version", std::uint64_t{2});
  add_tokenizer(metadata, tokenizer.vocabulary, tokenizer.gguf_pre, tokenizer.chat_template);
  Producer produce(tensors, options.seed, progress);
  return GgufWriter(std::move(metadata), announced(tensors)).write(path, produce);
}

std::string_view torch_dtype(std::string_view type) {
  return type == "f32" ? "float32" : type == "f16" ? "float16" : "bfloat16";
}

Status write_configs(const std::string& folder, std::string_view type, const SynthShape& shape) {
  R1_TRY(const SynthTokenizer tokenizer, synth_tokenizer(shape.tokens, shape.config.vocab_size));
  const int bos_id = std::max(tokenizer.vocabulary.bos_id, 0), eos_id = tokenizer.vocabulary.eos_id;
  const HfConfigExtras extras{torch_dtype(type), bos_id, eos_id, type == "fp8"};
  R1_TRY_STATUS(write_file_atomically(folder + "/config.json", hf_config(shape.config, extras).dump(2) + "\n"));
  const OrderedJson generation = {{"eos_token_id", eos_id}, {"do_sample", true}, {"temperature", 0.6}, {"top_p", 0.95}};
  R1_TRY_STATUS(write_file_atomically(folder + "/generation_config.json", generation.dump(2) + "\n"));
  return write_tokenizer_files(folder, tokenizer.vocabulary, tokenizer.chat_template);
}

Status write_folder(const SynthOptions& options, const SynthShape& shape, const std::string& folder,
                    SynthProgress progress) {
  const std::string type = options.type.empty() ? "bf16" : options.type;
  R1_TRY(const std::vector<SynthTensor> tensors, synth_hf_tensors(shape.config, type));
  R1_TRY_STATUS(check_room(folder, total_bytes(tensors)));
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) return Error{ErrorCode::kIo, fmt::format("creating {}: {}", folder, problem.message())};
  Producer produce(tensors, options.seed, progress);
  R1_TRY_STATUS(SafetensorsWriter(announced(tensors)).write_folder(folder, options.max_shard_bytes, produce));
  return write_configs(folder, type, shape);
}

}  // namespace

Status synthesize(const SynthOptions& options, const std::string& destination, SynthProgress progress) {
  R1_TRY(const SynthShape shape, synth_shape(options.shape, options.n_layers));
  if (destination.ends_with(".gguf")) return write_gguf(options, shape, destination, progress);
  return write_folder(options, shape, destination, progress);
}

Status synthesize(const SynthOptions& options, const std::string& destination) {
  return synthesize(options, destination, [](std::int64_t, std::int64_t) {});
}

}  // namespace r1
