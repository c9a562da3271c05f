// token_ids.h: lists of token ids as people type them.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace r1 {

// "1,2 3" or what `r1 tokenize` prints, {"ids":[1,2,3]}; an Error for what is not an id below vocab_size.
Result<std::vector<int>> parse_token_ids(std::string_view text, int vocab_size);

}  // namespace r1
