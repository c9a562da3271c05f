// fill_in_middle.cpp: the known sets of markers, and the first one that a vocabulary has.
#include "text/fill_in_middle.h"

#include <array>

namespace r1 {
namespace {

struct Markers {
  std::string_view before_prefix, before_suffix, before_middle;
};

constexpr std::array<Markers, 2> kMarkers = {{
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},  // DeepSeek
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},  // Qwen2.5
}};

}  // namespace

Result<std::vector<int>> fill_in_middle_prompt(const Tokenizer& tokenizer, std::string_view prefix,
                                               std::string_view suffix) {
  for (const Markers& markers : kMarkers) {
    const auto before_prefix = tokenizer.find(markers.before_prefix),
               before_suffix = tokenizer.find(markers.before_suffix),
               before_middle = tokenizer.find(markers.before_middle);
    if (!before_prefix || !before_suffix || !before_middle) continue;
    std::vector<int> ids;
    const auto append = [&](int marker, std::string_view text) {
      ids.push_back(marker);
      const std::vector<int> encoded = tokenizer.encode(text);
      ids.insert(ids.end(), encoded.begin(), encoded.end());
    };
    if (tokenizer.adds_bos()) ids.push_back(tokenizer.bos_id());
    append(*before_prefix, prefix);
    append(*before_suffix, suffix);
    ids.push_back(*before_middle);
    return ids;
  }
  return Error{ErrorCode::kUnsupported, "this model's vocabulary has no fill-in-the-middle tokens"};
}

}  // namespace r1
