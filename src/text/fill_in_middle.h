// fill_in_middle.h: a prefix and a suffix to the tokens after which a model writes what belongs between them.
//
// Order: prefix, suffix, middle (PSM), as DeepSeek trained it (DeepSeek-V3's report, 2.1 of arXiv 2412.19437), and
// Qwen2.5-Coder, each with three markers of its own.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace r1 {

// kUnsupported when the vocabulary has none of the known sets of markers. What the texts say never becomes a marker.
Result<std::vector<int>> fill_in_middle_prompt(const Tokenizer& tokenizer, std::string_view prefix,
                                               std::string_view suffix);

}  // namespace r1
