// model_offers.cpp: opening each model's files for a look: they are mapped, nothing of their weights is read.
#include "apps/model_offers.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "apps/store.h"

namespace r1 {
namespace {

constexpr std::int64_t kServerBytes = std::int64_t{32} << 20;  // the program itself, its libraries, connections
constexpr std::int64_t kBytesPerToken = 512;                   // of a vocabulary: its text, merges, tries

std::int64_t file_bytes(const Model& model) {
  if (model.is_gguf()) return std::get<GgufFile>(model.files).file_bytes();
  const auto* folder = std::get_if<SafetensorsFile>(&model.files);
  return folder == nullptr ? 0 : folder->file_bytes();
}

ServedModel served_by(std::shared_ptr<LoadedModel> loaded, const std::string& name) {
  ServedModel served{.name = name,
                     .engine = &loaded->engine(),
                     .tokenizer = &loaded->tokenizer(),
                     .chat_template = &loaded->chat_template().value(),
                     .keeps = nullptr,
                     .sampling = loaded->default_sampling()};
  served.keeps = std::move(loaded);
  return served;
}

Result<OfferedModel> offer(const std::string& path_or_name, const OfferOptions& options) {
  R1_TRY(const std::string path, resolve_model(path_or_name));
  R1_TRY(const Model model, load_model(path, options.flags));
  R1_TRY(const ModelEngineOptions engine, engine_options(options.flags, model));
  EngineFlags flags = options.flags;
  flags.kv_bytes = engine.kv_bytes;  // as much as was counted, however much is free then
  const std::string name = options.name.empty() ? LoadedModel::name_of(path_or_name) : options.name;
  const auto load = [path_or_name, flags, name]() -> Result<ServedModel> {
    R1_TRY(std::unique_ptr<LoadedModel> loaded, LoadedModel::load(path_or_name, flags));
    if (!loaded->chat_template().ok()) return loaded->chat_template().error();
    return served_by(std::move(loaded), name);
  };
  return OfferedModel{
      .name = name, .context_length = engine.context_length, .bytes = loaded_bytes(model, engine), .load = load};
}

}  // namespace

std::int64_t loaded_bytes(const Model& model, const ModelEngineOptions& engine) {
  const ModelConfig& config = model.config;
  std::int64_t converted = 0;
  for (const std::vector<float>& numbers : model.converted)
    converted += std::ssize(numbers) * std::int64_t{sizeof(float)};
  const std::int64_t widest =
      std::max(config.inter_dim, config.moe_inter_dim * std::max(1, config.route.n_activated_experts));
  const std::int64_t n_row_values = 6 * std::int64_t{config.dim} + 3 * widest;
  const std::int64_t working = (engine.max_rows * n_row_values + engine.max_running * std::int64_t{config.vocab_size}) *
                               std::int64_t{sizeof(float)};
  return file_bytes(model) + converted + engine.kv_bytes + working + config.vocab_size * kBytesPerToken;
}

Result<std::int64_t> bytes_for_models(std::int64_t process_bytes) {
  if (process_bytes > kServerBytes) return process_bytes - kServerBytes;
  return Error{ErrorCode::kInvalidInput, fmt::format("--memory: {} bytes are less than the server itself takes, {}",
                                                     process_bytes, kServerBytes)};
}

Result<std::vector<OfferedModel>> offer_models(const std::vector<std::string>& paths_or_names,
                                               const OfferOptions& options) {
  if (!options.name.empty() && paths_or_names.size() > 1)
    return Error{ErrorCode::kInvalidInput, "--name is for one model; several keep their own names"};
  std::vector<OfferedModel> offers;
  for (const std::string& path_or_name : paths_or_names) {
    R1_TRY(OfferedModel offered, offer(path_or_name, options));
    for (const OfferedModel& other : offers) {
      if (other.name == offered.name)
        return Error{ErrorCode::kInvalidInput, fmt::format("two models are called '{}'", other.name)};
    }
    offers.push_back(std::move(offered));
  }
  return offers;
}

}  // namespace r1
