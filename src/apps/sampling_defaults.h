// sampling_defaults.h: how a model wants to be sampled when nobody says.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/engine.h"
#include "model/weights.h"
#include "text/chat_template.h"

namespace r1 {

// What the model's files say (generation_config.json; general.sampling.* in GGUF), else DeepSeek's recommendation for
// R1 and its distills (temperature 0.6, top-p 0.95), else 0.7 and 0.95.
Result<SamplingParams> recommended_sampling(const std::string& path, const Model& model, TemplateFamily family);

}  // namespace r1
