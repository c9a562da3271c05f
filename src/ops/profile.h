// profile.h: where a pass spends its time, op by op: for `r1 bench --profile`. Costs nothing where nobody asks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/pass.h"
#include "ops/tensor.h"

namespace r1 {

// What all calls of one kind did: an op, with the shape and format of its weights where it has some.
struct OpTotal {
  std::string name;  // "linear [8960, 1536] Q4_K"
  std::int64_t n_calls = 0;
  double seconds = 0;
  double n_bytes = 0;  // of weights and cache that had to be read
  double n_ops = 0;    // two per multiplication and addition
};

class OpProfile {
 public:
  void add(const std::string& name, double seconds, double n_bytes, double n_ops);
  const std::vector<OpTotal>& totals() const { return totals_; }  // in order of first appearance

 private:
  std::vector<OpTotal> totals_;
};

// Times an op from here to the end of its scope. Ops don't contain each other.
class OpTimer {
 public:
  OpTimer(const Pass& pass, const char* op) : OpTimer(pass, op, nullptr) {}
  OpTimer(const Pass& pass, const char* op, const Weight* w);
  ~OpTimer() {
    if (profile_ != nullptr) stop();
  }
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

  bool is_on() const { return profile_ != nullptr; }
  // n_rows rows of activations times a matrix that is read once.
  void count_product(const Weight& w, std::int64_t n_rows);
  void count(double n_bytes, double n_ops) { n_bytes_ += n_bytes, n_ops_ += n_ops; }

 private:
  void stop();

  OpProfile* profile_;  // null: off
  const char* op_;
  const Weight* w_;
  std::int64_t start_ns_ = 0;
  double n_bytes_ = 0, n_ops_ = 0;
};

// Scores and weighted sums of every row over its sequence so far: head_width numbers of a key and a value per head. The
// cache is read once for all rows of a sequence.
void count_attention(OpTimer& timer, const Pass& pass, int n_heads, int head_width);

}  // namespace r1
