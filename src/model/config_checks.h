// config_checks.h: shared by the two readers of configurations; nobody else's business.
#pragma once

#include "model/model_config.h"

namespace r1 {

// Every number within what the engine can hold, and none that contradicts another.
Status check_config(const ModelConfig& config);

// YaRN's yarn_get_mscale: 1 for factor <= 1, else 0.1 * mscale * ln(factor) + 1.
float yarn_magnitude(float factor, float mscale);

}  // namespace r1
