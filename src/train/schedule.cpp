// schedule.cpp: three curves behind one warm-up.
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

namespace r1 {

Result<ScheduleKind> schedule_named(std::string_view name) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "cosine") return ScheduleKind::kCosine;
  if (name == "wsd") return ScheduleKind::kStable;
  return Error{ErrorCode::kInvalidInput, fmt::format("no schedule '{}'; there are constant, cosine, wsd", name)};
}

float Schedule::at(int step) const {
  if (step < n_warmup) return static_cast<float>(peak * (step + 1) / n_warmup);
  const int length = std::max(1, n_steps - n_warmup);
  const double done = std::min(1.0, static_cast<double>(step - n_warmup) / length);  // [0, 1)
  switch (kind) {
    case ScheduleKind::kConstant:
      break;
    case ScheduleKind::kCosine:
      return static_cast<float>(last + (peak - last) * 0.5 * (1.0 + std::cos(std::numbers::pi * done)));
    case ScheduleKind::kStable:
      if (done <= 1.0 - decay_share) break;
      return static_cast<float>(last + (peak - last) * (1.0 - done) / decay_share);
  }
  return static_cast<float>(peak);
}

}  // namespace r1
