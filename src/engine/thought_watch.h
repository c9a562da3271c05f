// thought_watch.h: follows an answer's tokens and says which are forced on it, to keep a ThoughtLimit.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "engine/engine.h"

namespace r1 {

class ThoughtWatch {
 public:
  explicit ThoughtWatch(ThoughtLimit limit) : limit_(std::move(limit)), is_inside_(limit_.begins_inside) {
    R1_ASSERT(!limit_.closing.empty() && limit_.is_inside, "a thought limit says how a thought ends");
  }

  // The token that comes next in place of a sampled one; nothing: sample.
  std::optional<int> forced() {
    if (!is_closing_ && !has_closed_ && is_inside_) is_closing_ = is_spent() || is_told();
    return is_closing_ ? std::optional(limit_.closing[n_written_]) : std::nullopt;
  }

  // Each token of the answer, forced ones too.
  void take(int id) {
    if (is_closing_) {
      has_closed_ = ++n_written_ == limit_.closing.size();
      is_closing_ = !has_closed_;
    } else if (is_inside_) {
      ++n_tokens_;
    }
    is_inside_ = limit_.is_inside(id);
  }

  bool has_closed() const { return has_closed_; }  // the thought was ended here, and `closing` is written

 private:
  bool is_spent() const { return limit_.max_tokens >= 0 && n_tokens_ >= limit_.max_tokens; }
  bool is_told() const { return limit_.end_now && limit_.end_now->load(std::memory_order_relaxed); }

  ThoughtLimit limit_;
  int n_tokens_ = 0;  // of the thought, sampled
  std::size_t n_written_ = 0;
  bool is_inside_, is_closing_ = false, has_closed_ = false;
};

}  // namespace r1
