// sampling_defaults.cpp: the three sources, the model's own word first.
#include "apps/sampling_defaults.h"

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

Status read_generation_config(const std::string& folder, SamplingParams& params) {
  const std::string path = folder + "/generation_config.json";
  if (!file_exists(path)) return {};
  R1_TRY(const Json config, read_json_file(path, {.max_depth = 16, .max_bytes = 1 << 20}));
  R1_TRY(const bool samples, json_bool(config, "do_sample", true));
  if (!samples) return {};  // such models say nothing about sampling
  R1_TRY(const double temperature, json_number(config, "temperature", params.temperature));
  R1_TRY(const double top_p, json_number(config, "top_p", params.top_p));
  R1_TRY(const std::int64_t top_k, json_int(config, "top_k", params.top_k));
  R1_TRY(const double repetition_penalty, json_number(config, "repetition_penalty", params.repetition_penalty));
  params.temperature = static_cast<float>(temperature);
  params.top_p = static_cast<float>(top_p);
  params.top_k = static_cast<int>(top_k);
  params.repetition_penalty = static_cast<float>(repetition_penalty);
  return {};
}

Status read_gguf_keys(const GgufMetadata& metadata, SamplingParams& params) {
  R1_TRY(const double temperature, metadata.number("general.sampling.temp", params.temperature));
  R1_TRY(const double top_p, metadata.number("general.sampling.top_p", params.top_p));
  R1_TRY(const double min_p, metadata.number("general.sampling.min_p", params.min_p));
  R1_TRY(const std::int64_t top_k, metadata.integer("general.sampling.top_k", params.top_k));
  params.temperature = static_cast<float>(temperature);
  params.top_p = static_cast<float>(top_p);
  params.min_p = static_cast<float>(min_p);
  params.top_k = static_cast<int>(top_k);
  return {};
}

}  // namespace

Result<SamplingParams> recommended_sampling(const std::string& path, const Model& model, TemplateFamily family) {
  SamplingParams params{.temperature = 0.7f, .top_p = 0.95f};
  if (family == TemplateFamily::kDeepSeekR1) params.temperature = 0.6f;
  R1_TRY_STATUS(model.is_gguf() ? read_gguf_keys(*model.gguf_metadata(), params)
                                : read_generation_config(path, params));
  return params;
}

}  // namespace r1
