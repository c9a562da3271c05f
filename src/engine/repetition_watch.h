// repetition_watch.h: notices an answer that repeats itself without end, as small models and greedy ones do, before it
// has filled the context.
//
// An answer repeats itself when its last max(n_tokens_min, n_repetitions * p) tokens have period p, for some p up to
// period_max: each of them but the first p equals the token p before it. So it takes 8 times the same 500 tokens, or
// one token 1,024 times; a table, a refrain, the first thousand digits of 1/3 are let through.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/engine.h"

namespace r1 {

class RepetitionWatch {
 public:
  explicit RepetitionWatch(RepetitionLimit limit)
      : period_max_(static_cast<std::size_t>(std::max(limit.period_max, 1))),
        recent_(4 * period_max_, -1),
        end_(period_max_),
        runs_(period_max_, 0),
        runs_needed_(period_max_) {
    for (std::size_t i = 0; i < period_max_; ++i) {
      const int period = period_of(i);
      runs_needed_[i] = std::max(limit.n_tokens_min, limit.n_repetitions * period) - period;
    }
  }

  // Each token of the answer. True: it repeats itself. A comparison for each period, without a branch: 512 of them are
  // 74 ns (Zen 4).
  bool take(int id) {
    const int* const before = recent_.data() + end_ - period_max_;  // [period_max], the oldest first
    int is_beyond = 0;
    for (std::size_t i = 0; i < period_max_; ++i) {
      runs_[i] = before[i] == id ? runs_[i] + 1 : 0;
      is_beyond |= static_cast<int>(runs_[i] >= runs_needed_[i]);
    }
    push(id);
    return is_beyond != 0;
  }

 private:
  int period_of(std::size_t i) const { return static_cast<int>(period_max_ - i); }

  void push(int id) {
    if (end_ == recent_.size()) {
      std::copy(recent_.end() - static_cast<std::ptrdiff_t>(period_max_), recent_.end(), recent_.begin());
      end_ = period_max_;
    }
    recent_[end_++] = id;
  }

  std::size_t period_max_;
  std::vector<int> recent_;       // tokens up to end_; -1 before the first
  std::size_t end_;               // at least period_max
  std::vector<int> runs_;         // [period_max] for period_of(i): tokens in a row that equal the one a period before
  std::vector<int> runs_needed_;  // [period_max] from where on that is too much
};

}  // namespace r1
