// score_windows.cpp: whole windows one stride apart; the last ends with the text.
#include "apps/score_windows.h"

#include <algorithm>

#include "base/assert.h"

namespace r1 {

std::vector<ScoreWindow> score_windows(std::size_t n_tokens, std::size_t length, std::size_t stride) {
  R1_ASSERT(1 <= stride && stride <= length, "windows must touch");
  std::vector<ScoreWindow> windows = {{0, 0, std::min(n_tokens, length)}};
  while (windows.back().end < n_tokens) {
    const ScoreWindow last = windows.back();
    windows.push_back({last.first + stride, last.end, std::min(n_tokens, last.first + stride + length)});
  }
  return windows;
}

}  // namespace r1
