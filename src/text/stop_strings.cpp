// stop_strings.cpp: one Knuth-Morris-Pratt matcher a stop string; the longest partial match is what must be held back.
#include "text/stop_strings.h"

#include <algorithm>

namespace r1 {
namespace {

std::vector<int> borders_of(std::string_view text) {
  std::vector<int> borders(text.size(), 0);
  for (std::size_t i = 1; i < text.size(); ++i) {
    int border = borders[i - 1];
    while (border > 0 && text[i] != text[static_cast<std::size_t>(border)])
      border = borders[static_cast<std::size_t>(border - 1)];
    borders[i] = text[i] == text[static_cast<std::size_t>(border)] ? border + 1 : 0;
  }
  return borders;
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> stops) {
  for (std::string& stop : stops) {
    if (stop.empty()) continue;
    std::vector<int> fallback = borders_of(stop);
    matchers_.push_back({std::move(stop), std::move(fallback)});
  }
}

bool StopStrings::Matcher::advance(char c) {
  while (n_matched > 0 && c != stop[static_cast<std::size_t>(n_matched)])
    n_matched = fallback[static_cast<std::size_t>(n_matched - 1)];
  if (c == stop[static_cast<std::size_t>(n_matched)]) ++n_matched;
  return n_matched == static_cast<int>(stop.size());
}

std::string StopStrings::feed(std::string_view text) {
  if (stopped()) return {};
  if (matchers_.empty()) return std::string(text);
  for (const char c : text) {
    held_.push_back(c);
    for (std::size_t i = 0; i < matchers_.size(); ++i) {
      const bool complete = matchers_[i].advance(c);
      if (complete && (!stopped() || matchers_[i].stop.size() > matched().size())) matched_ = static_cast<int>(i);
    }
    if (stopped()) {
      std::string before = held_.substr(0, held_.size() - matched().size());
      held_.clear();
      return before;
    }
  }
  int n_held = 0;
  for (const Matcher& matcher : matchers_) n_held = std::max(n_held, matcher.n_matched);
  std::string certain = held_.substr(0, held_.size() - static_cast<std::size_t>(n_held));
  held_.erase(0, certain.size());
  return certain;
}

std::string StopStrings::finish() {
  std::string rest;
  rest.swap(held_);
  return rest;
}

std::string_view StopStrings::matched() const {
  return stopped() ? std::string_view(matchers_[static_cast<std::size_t>(matched_)].stop) : std::string_view();
}

}  // namespace r1
