// model_summary.cpp: counts over the tensor list, and the few facts that lie beside it.
#include "apps/model_summary.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "apps/model_text.h"
#include "base/file.h"
#include "formats/tensor_names.h"
#include "model/weights.h"
#include "text/chat_template.h"

namespace r1 {
namespace {

constexpr std::int64_t kMaxTemplateBytes = std::int64_t{1} << 20, kMaxModelConfigBytes = std::int64_t{16} << 20;

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}
// GGUF stacks a layer's experts in one tensor, Hugging Face has one tensor for each.
bool is_routed_expert(std::string_view name) { return contains(name, "_exps.") || contains(name, ".experts."); }

// Numbers beside the weights that no one counts as parameters.
bool is_parameter(std::string_view name) {
  return !ends_with(name, "_scale_inv") && !contains(name, "rope_freqs") && !ends_with(name, "rotary_emb.inv_freq");
}

// The N of "blk.N." or "model.layers.N."; -1 for tensors outside the layers.
std::int64_t layer_of(std::string_view name) {
  for (const std::string_view prefix : {"blk.", "model.layers."}) {
    if (!name.starts_with(prefix)) continue;
    std::int64_t layer = -1;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), layer);
    return layer;
  }
  return -1;
}

void count_tensors(ModelSummary& summary, const std::vector<StoredTensor>& tensors, std::int64_t first_mtp_layer) {
  std::array<TypeCensus, kDtypeCount> census;
  const bool experts_known = summary.n_activated_experts > 0 && summary.n_activated_experts <= summary.n_routed_experts;
  for (const StoredTensor& tensor : tensors) {
    TypeCensus& of_type = census[static_cast<std::size_t>(tensor.dtype)];
    of_type.dtype = tensor.dtype;
    ++of_type.n_tensors;
    of_type.n_bytes += tensor.n_bytes;
    summary.n_weight_bytes += tensor.n_bytes;
    const std::int64_t n = tensor.shape.n_values();
    if (!is_parameter(tensor.name)) continue;
    if (layer_of(tensor.name) >= first_mtp_layer) {
      summary.n_mtp_params += n;
      continue;
    }
    summary.n_params += n;
    if (!experts_known || !is_routed_expert(tensor.name)) summary.n_active_params += n;
  }
  const std::int64_t n_expert_params = summary.n_params - summary.n_active_params;
  if (experts_known) {
    summary.n_active_params += n_expert_params / summary.n_routed_experts * summary.n_activated_experts;
  }
  for (const TypeCensus& type : census) {
    if (type.n_tensors > 0) summary.census.push_back(type);
  }
  std::sort(summary.census.begin(), summary.census.end(),
            [](const auto& a, const auto& b) { return a.n_bytes > b.n_bytes; });
}

void list_files(ModelSummary& summary, std::span<const MappedFile> files) {
  for (const MappedFile& file : files) {
    summary.files.emplace_back(file.path(), static_cast<std::int64_t>(file.bytes().size()));
  }
}

// ---- GGUF ---------------------------------------------------------------------------------------------------------

OrderedJson to_json(const GgufArray& array) {
  constexpr std::size_t kMaxShown = 64;  // vocabularies are counted, not shown
  constexpr std::string_view kKinds[] = {"integer", "number", "string", "boolean"};
  if (array.size() > kMaxShown) return {{"array_of", kKinds[array.values.index()]}, {"length", array.size()}};
  return std::visit([](const auto& values) { return OrderedJson(values); }, array.values);
}

OrderedJson to_json(const GgufMetadata& metadata) {
  OrderedJson object = OrderedJson::object();
  for (const auto& [key, value] : metadata.values()) {
    if (const auto* array = std::get_if<GgufArray>(&value)) {
      object[key] = to_json(*array);
    } else {
      std::visit(
          [&object, &key = key](const auto& held) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(held)>, GgufArray>) object[key] = held;
          },
          value);
    }
  }
  return object;
}

Status summarize(ModelSummary& summary, const GgufFile& file) {
  const GgufMetadata& metadata = file.metadata();
  summary.format = "GGUF v3";
  list_files(summary, file.files());
  R1_TRY(summary.architecture, metadata.string("general.architecture", ""));
  R1_TRY(summary.name, metadata.string("general.name", ""));
  const std::string prefix = summary.architecture + ".";
  R1_TRY(summary.n_layers, metadata.integer(prefix + "block_count", 0));
  R1_TRY(summary.context_length, metadata.integer(prefix + "context_length", 0));
  R1_TRY(summary.n_routed_experts, metadata.integer(prefix + "expert_count", 0));
  R1_TRY(summary.n_activated_experts, metadata.integer(prefix + "expert_used_count", 0));
  R1_TRY(const std::int64_t n_mtp_layers, metadata.integer(prefix + "nextn_predict_layers", 0));
  R1_TRY(summary.tokenizer, metadata.string("tokenizer.ggml.model", ""));
  R1_TRY(summary.pre_tokenizer, metadata.string("tokenizer.ggml.pre", ""));
  R1_TRY(summary.chat_template, metadata.string("tokenizer.chat_template", ""));
  if (metadata.has("tokenizer.ggml.tokens")) {
    R1_TRY(const auto* tokens, metadata.strings("tokenizer.ggml.tokens"));
    summary.vocab_size = static_cast<std::int64_t>(tokens->size());
  }
  const bool has_mtp = n_mtp_layers > 0 && n_mtp_layers < summary.n_layers;
  if (has_mtp) summary.n_layers -= n_mtp_layers;
  count_tensors(summary, file.tensors(), has_mtp ? summary.n_layers : INT64_MAX);
  return {};
}

// ---- Hugging Face -------------------------------------------------------------------------------------------------

Status read_config_fields(ModelSummary& summary, const Json& config) {
  R1_TRY(summary.architecture, json_string(config, "model_type", ""));
  R1_TRY(summary.n_layers, json_int(config, "num_hidden_layers", 0));
  R1_TRY(summary.context_length, json_int(config, "max_position_embeddings", 0));
  R1_TRY(summary.n_routed_experts, json_int(config, "n_routed_experts", 0));
  R1_TRY(summary.n_activated_experts, json_int(config, "num_experts_per_tok", 0));
  R1_TRY(summary.vocab_size, json_int(config, "vocab_size", 0));
  return {};
}

Status read_config(InspectedModel& model, const std::string& path) {
  R1_TRY(model.config_text, read_file(path, kMaxModelConfigBytes));
  R1_TRY(const Json config, parse_json(model.config_text, path));
  if (!config.is_object()) return Error{ErrorCode::kInvalidInput, path + ": not a JSON object"};
  if (const Status status = read_config_fields(model.summary, config); !status.ok()) {
    return with_context(status.error(), path);
  }
  return {};
}

Status read_tokenizer(ModelSummary& summary, const std::string& folder) {
  const std::string path = folder + "/tokenizer.json";
  if (!file_exists(path)) return {};
  R1_TRY(const Json json, read_json_file(path));
  const auto model = json.is_object() ? json.find("model") : json.end();
  if (!json.is_object() || model == json.end() || !model->is_object()) {
    return Error{ErrorCode::kInvalidInput, path + ": has no object 'model'"};
  }
  R1_TRY(summary.tokenizer, json_string(*model, "type", ""));
  return {};
}

// In tokenizer_config.json as text or as a list of named ones, or in a file of its own.
Result<std::string> read_chat_template(const std::string& folder) {
  const std::string own_file = folder + "/chat_template.jinja";
  if (file_exists(own_file)) return read_file(own_file, kMaxTemplateBytes);
  const std::string config_path = folder + "/tokenizer_config.json";
  if (!file_exists(config_path)) return std::string();
  R1_TRY(const Json config, read_json_file(config_path));
  const auto found = config.is_object() ? config.find("chat_template") : config.end();
  if (!config.is_object() || found == config.end() || !found->is_array()) {
    return json_string(config, "chat_template", "");
  }
  for (const Json& named : *found) {
    R1_TRY(const std::string name, json_string(named, "name", ""));
    if (name == "default") return json_string(named, "template", "");
  }
  return std::string();
}

Status summarize_folder(InspectedModel& model, const std::string& folder) {
  model.summary.format = "Hugging Face folder";
  model.summary.name = std::filesystem::path(folder).lexically_normal().filename().string();
  if (model.summary.name.empty()) model.summary.name = std::filesystem::path(folder).parent_path().filename().string();
  if (file_exists(folder + "/config.json")) R1_TRY_STATUS(read_config(model, folder + "/config.json"));
  R1_TRY_STATUS(read_tokenizer(model.summary, folder));
  R1_TRY(model.summary.chat_template, read_chat_template(folder));
  return {};
}

Result<InspectedModel> inspect_safetensors(const std::string& path) {
  InspectedModel model;
  R1_TRY(model.safetensors, SafetensorsFile::open(path));
  model.summary.format = "safetensors";
  list_files(model.summary, model.safetensors.files());
  if (is_directory(path)) R1_TRY_STATUS(summarize_folder(model, path));
  model.tensors = model.safetensors.tensors();
  count_tensors(model.summary, model.tensors, model.summary.n_layers > 0 ? model.summary.n_layers : INT64_MAX);
  return model;
}

Result<InspectedModel> inspect_gguf(const std::string& path) {
  InspectedModel model;
  R1_TRY(model.gguf, GgufFile::open(path));
  if (const Status status = summarize(model.summary, model.gguf); !status.ok()) {
    return with_context(status.error(), path);
  }
  model.tensors = model.gguf.tensors();
  return model;
}

// What running it would meet, in that order: weights, tokenizer, chat template.
Status try_to_load(const std::string& path, std::string& template_family) {
  if (ends_with(path, ".safetensors")) {
    return Error{ErrorCode::kUnsupported, "a file without its config.json: give the folder it is from"};
  }
  R1_TRY(const Model model, load_model(path));
  const Result<ModelText> text = load_model_text(path);
  if (!text.ok()) return with_context(text.error(), "for token ids only");
  R1_TRY(const ChatTemplate chat, ChatTemplate::detect(text->chat_template, text->tokenizer));
  template_family = chat.name();
  return {};
}

}  // namespace

std::int64_t ModelSummary::file_bytes() const {
  std::int64_t total = 0;
  for (const auto& [file, bytes] : files) total += bytes;
  return total;
}

double ModelSummary::bits_per_weight() const {
  const std::int64_t n_weights = n_params + n_mtp_params;
  return n_weights == 0 ? 0.0 : 8.0 * static_cast<double>(n_weight_bytes) / static_cast<double>(n_weights);
}

OrderedJson metadata_json(const InspectedModel& model) {
  if (!model.gguf.files().empty()) return to_json(model.gguf.metadata());
  const Result<Json> config = parse_json(model.config_text, "config.json");
  return config.ok() ? OrderedJson(*config) : OrderedJson::object();
}

Result<InspectedModel> inspect_model(const std::string& path) {
  const bool is_gguf = !is_directory(path) && !ends_with(path, ".safetensors");
  R1_TRY(InspectedModel model, is_gguf ? inspect_gguf(path) : inspect_safetensors(path));
  model.summary.path = path;
  const Status loaded = try_to_load(path, model.summary.template_family);
  if (!loaded.ok()) model.summary.obstacle = loaded.error().message;
  return model;
}

}  // namespace r1
