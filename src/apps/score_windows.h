// score_windows.h: how a text longer than a context is cut to be scored.
#pragma once

#include <cstddef>
#include <vector>

namespace r1 {

// Tokens [first, end) are computed together; the rows of [fresh, end) are new, those before them are context that an
// earlier window has given already.
struct ScoreWindow {
  std::size_t first = 0, fresh = 0, end = 0;
};

// Windows of `length` tokens, each beginning `stride` after the one before; a token's row comes from the first window
// that has it, so it has all tokens before it as context, or at least length - stride of them. 1 <= stride <= length.
std::vector<ScoreWindow> score_windows(std::size_t n_tokens, std::size_t length, std::size_t stride);

}  // namespace r1
