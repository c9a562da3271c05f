// model_summary.h: what a model's files say about it, for any architecture: read from metadata or config.json and from
// the tensor list, without the tables of those that r1 can run.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

namespace r1 {

struct TypeCensus {
  Dtype dtype = Dtype::kF32;
  int n_tensors = 0;
  std::int64_t n_bytes = 0;
};

struct ModelSummary {
  std::string path;    // the file or folder it was asked for by
  std::string format;  // "GGUF v3", "Hugging Face folder", "safetensors"
  std::string architecture, name;
  std::vector<std::pair<std::string, std::int64_t>> files;  // path, bytes
  std::int64_t n_layers = 0, context_length = 0;            // 0: the files don't say
  std::int64_t n_routed_experts = 0, n_activated_experts = 0;
  std::int64_t n_params = 0;         // of the model itself: without scales of blocks and rotation factors
  std::int64_t n_active_params = 0;  // that a token passes through: embedding and head, and its share of the experts
  std::int64_t n_mtp_params = 0;     // of multi-token prediction layers, in neither of the above
  std::int64_t n_weight_bytes = 0;   // of all tensors
  std::string tokenizer, pre_tokenizer;
  std::int64_t vocab_size = 0;
  std::string chat_template;       // its text, "" when there is none
  std::string template_family;     // "deepseek-r1"; "" when this build knows none that fits
  std::string obstacle;            // why this build can't run it; "" when it can
  std::vector<TypeCensus> census;  // most bytes first

  std::int64_t file_bytes() const;
  double bits_per_weight() const;
};

// The tensors and the facts; keeps the files mapped.
struct InspectedModel {
  ModelSummary summary;
  std::vector<StoredTensor> tensors;
  std::string config_text;  // config.json of a folder

  GgufFile gguf;  // one of these holds the tensors' bytes
  SafetensorsFile safetensors;
};

// GGUF's keys, long arrays given by their length alone; or config.json.
OrderedJson metadata_json(const InspectedModel& model);

// A GGUF file, a Hugging Face folder or one .safetensors file.
Result<InspectedModel> inspect_model(const std::string& path);

}  // namespace r1
