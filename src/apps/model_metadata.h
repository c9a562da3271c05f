// model_metadata.h: a ModelConfig written down as GGUF metadata or as Hugging Face's config.json: what
// config_from_gguf and config_from_hf read.
#pragma once

#include "base/json.h"
#include "formats/gguf.h"
#include "model/model_config.h"

namespace r1 {

// How a GGUF file holds what turns DeepSeek's latent into keys and values.
enum class MlaTensors {
  kJoined,  // attn_kv_b: files of early 2025
  kSplit,   // attn_k_b, transposed, and attn_v_b: since then
};

// general.architecture and the architecture's own keys; no tokenizer.
GgufMetadata gguf_metadata(const ModelConfig& config, MlaTensors mla);

// dtype: "bfloat16". bos_id, eos_id: what config.json says of the tokenizer.
struct HfConfigExtras {
  std::string_view dtype;
  int bos_id = 0, eos_id = 0;
  bool has_fp8_blocks = false;
};
OrderedJson hf_config(const ModelConfig& config, const HfConfigExtras& extras);

}  // namespace r1
