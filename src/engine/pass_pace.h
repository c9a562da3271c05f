// pass_pace.h: how many rows a pass may have so that its layers stay short. Between two layers a client that has gone
// is let go (ModelEngine::let_go), so a layer's time is what it may have to wait for.
//
// A prompt is cut into chunks all the same, and a row's result does not depend on its chunk: texts don't change with
// the pace. Below kRowsMin chunks cost too much: weights are read for each.
#pragma once

#include <algorithm>
#include <cstdint>

namespace r1 {

class PassPace {
 public:
  static constexpr std::int64_t kLayerNs = 120'000'000;  // of the 250 ms after which a place must be free
  static constexpr int kRowsMin = 64, kRowsAtFirst = 128;

  PassPace(int n_layers, int rows_max) : n_layers_(n_layers), rows_max_(rows_max) {}

  int rows() const {
    const double fitting = ns_per_row_ > 0 ? static_cast<double>(kLayerNs) / ns_per_row_ : kRowsAtFirst;
    return static_cast<int>(
        std::clamp(fitting, static_cast<double>(std::min(kRowsMin, rows_max_)), static_cast<double>(rows_max_)));
  }

  // Of passes with few rows the time goes into reading weights: they say nothing of what a row costs.
  void take(int n_rows, std::int64_t ns) {
    if (n_rows < std::min(kRowsMin, rows_max_)) return;
    const double measured = static_cast<double>(ns) / n_layers_ / n_rows;
    ns_per_row_ = ns_per_row_ > 0 ? 0.75 * ns_per_row_ + 0.25 * measured : measured;
  }

 private:
  const int n_layers_, rows_max_;
  double ns_per_row_ = 0;  // in a layer; 0: not known yet
};

}  // namespace r1
