// schedule.h: the learning rate of every step.
#pragma once

#include <string_view>

#include "base/result.h"

namespace r1 {

enum class ScheduleKind {
  kConstant,
  kCosine,  // down to `last` at the end (Loshchilov & Hutter 2017)
  kStable,  // warm-up, stable, decay (Hu et al. 2024, MiniCPM): the last `decay_share` of the steps fall in a line
};
Result<ScheduleKind> schedule_named(std::string_view name);  // "constant", "cosine", "wsd"

struct Schedule {
  ScheduleKind kind = ScheduleKind::kCosine;
  double peak = 1e-3, last = 1e-4;
  int n_warmup = 0, n_steps = 1;
  double decay_share = 0.25;  // kStable

  float at(int step) const;  // step 0 is the first
};

}  // namespace r1
