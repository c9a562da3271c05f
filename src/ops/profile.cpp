// profile.cpp: totals by name; the names of ops with weights say which.
#include "ops/profile.h"

#include <algorithm>
#include <chrono>

namespace r1 {
namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string name_of(const char* op, const Weight* w) {
  if (w == nullptr) return op;
  return std::string(op) + " [" + std::to_string(w->n_rows()) + ", " + std::to_string(w->n_cols()) + "] " +
         std::string(traits(w->dtype).name);
}

}  // namespace

void OpProfile::add(const std::string& name, double seconds, double n_bytes, double n_ops) {
  auto total = std::find_if(totals_.begin(), totals_.end(), [&](const OpTotal& t) { return t.name == name; });
  if (total == totals_.end()) total = totals_.insert(total, OpTotal{.name = name});
  ++total->n_calls;
  total->seconds += seconds;
  total->n_bytes += n_bytes;
  total->n_ops += n_ops;
}

OpTimer::OpTimer(const Pass& pass, const char* op, const Weight* w) : profile_(pass.profile), op_(op), w_(w) {
  if (profile_ != nullptr) start_ns_ = now_ns();
}

void OpTimer::count_product(const Weight& w, std::int64_t n_rows) {
  count(static_cast<double>(w.n_bytes()), 2.0 * static_cast<double>(w.shape.n_values()) * static_cast<double>(n_rows));
}

void count_attention(OpTimer& timer, const Pass& pass, int n_heads, int head_width) {
  const double row_bytes = static_cast<double>(pass.kv.k_row_bytes() + pass.kv.v_row_bytes());
  for (const SequenceRows& sequence : pass.batch.sequences) {
    const double n_rows = sequence.n_rows, first = sequence.first_position;
    timer.count(row_bytes * (first + n_rows), 2.0 * n_heads * head_width * n_rows * (first + (n_rows + 1) / 2));
  }
}

void OpTimer::stop() {
  profile_->add(name_of(op_, w_), static_cast<double>(now_ns() - start_ns_) * 1e-9, n_bytes_, n_ops_);
}

}  // namespace r1
