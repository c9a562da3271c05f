// adamw.cpp: every number alone.
#include "train/adamw.h"

#include <cmath>

namespace r1 {

AdamWUpdate adamw_update(const AdamWConfig& config, std::int64_t t, float learning_rate, float gradient_scale) {
  const auto n = static_cast<double>(t);
  return {.beta1 = config.beta1,
          .beta2 = config.beta2,
          .eps = config.eps,
          .gradient_scale = gradient_scale,
          .step_size = static_cast<float>(learning_rate / (1.0 - std::pow(double{config.beta1}, n))),
          .root_correction = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(double{config.beta2}, n)))};
}

void update_adamw(const AdamWUpdate& u, const float* gradient, float* value, float* m, float* v, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * u.gradient_scale;
    m[i] = u.beta1 * m[i] + (1.0f - u.beta1) * g;
    v[i] = u.beta2 * v[i] + (1.0f - u.beta2) * g * g;
    value[i] -= u.decay * value[i] + u.step_size * m[i] / (std::sqrt(v[i]) * u.root_correction + u.eps);
  }
}

}  // namespace r1
