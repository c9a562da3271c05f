// token_ids.cpp: numbers between commas, white space or brackets.
#include "apps/token_ids.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <fmt/format.h>

namespace r1 {

Result<std::vector<int>> parse_token_ids(std::string_view text, int vocab_size) {
  constexpr std::string_view kBetween = ", \t\r\n[]}", kTokenized = "{\"ids\":";
  if (text.starts_with(kTokenized)) text.remove_prefix(kTokenized.size());
  std::vector<int> ids;
  for (std::size_t i = text.find_first_not_of(kBetween); i < text.size(); i = text.find_first_not_of(kBetween, i)) {
    const std::string_view word = text.substr(i, std::min(text.find_first_of(kBetween, i), text.size()) - i);
    int id = 0;
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (problem != std::errc() || end != word.data() + word.size() || id < 0 || id >= vocab_size) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("'{}' is not a token id; this model's go from 0 to {}", word, vocab_size - 1)};
    }
    ids.push_back(id);
    i += word.size();
  }
  return ids;
}

}  // namespace r1
