// stop_strings_test.cpp: the text ends before the stop string that is complete first, for every way of cutting it.
#include "text/stop_strings.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace r1 {
namespace {

struct Stopped {
  std::string text, matched;
  bool operator==(const Stopped&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Stopped& s) {
  return out << "'" << s.text << "' by '" << s.matched << "'";
}

Stopped stop(const std::vector<std::string>& stops, const std::vector<std::string_view>& pieces) {
  StopStrings matcher(stops);
  Stopped result;
  for (const std::string_view piece : pieces) result.text += matcher.feed(piece);
  result.text += matcher.finish();
  result.matched = std::string(matcher.matched());
  return result;
}

// The law, said again: the least end wins, then the longest.
Stopped stop_plainly(const std::vector<std::string>& stops, std::string_view text) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::string_view best;
    for (const std::string& candidate : stops) {
      if (!candidate.empty() && candidate.size() > best.size() && text.substr(0, end).ends_with(candidate))
        best = candidate;
    }
    if (!best.empty()) return {std::string(text.substr(0, end - best.size())), std::string(best)};
  }
  return {std::string(text), ""};
}

TEST(StopStrings, TheFirstCompleteStopStringEndsTheText) {
  EXPECT_EQ(stop({"\n\n"}, {"a\nb\n\nc"}), (Stopped{"a\nb", "\n\n"}));
  EXPECT_EQ(stop({"END", "ND"}, {"xEND"}), (Stopped{"x", "END"})) << "both complete at once: the longest";
  EXPECT_EQ(stop({"abcd", "bc"}, {"xabcd"}), (Stopped{"xa", "bc"})) << "complete earlier, begun later";
  EXPECT_EQ(stop({"", "b"}, {"ab"}), (Stopped{"a", "b"})) << "an empty one never matches";
  EXPECT_EQ(stop({}, {"a", "b"}), (Stopped{"ab", ""}));
  EXPECT_EQ(stop({"Question:"}, {"A Quest", "ion"}), (Stopped{"A Question", ""})) << "nearly";
  EXPECT_EQ(stop({"。"}, {"你好。再见"}), (Stopped{"你好", "。"}));
}

TEST(StopStrings, NothingOfAStopStringIsLetThrough) {
  StopStrings matcher({"aab"});
  EXPECT_EQ(matcher.feed("xa"), "x");
  EXPECT_EQ(matcher.feed("a"), "");
  EXPECT_EQ(matcher.feed("a"), "a") << "the two last may still begin one";
  EXPECT_FALSE(matcher.stopped());
  EXPECT_EQ(matcher.feed("bc"), "");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.feed("more") + matcher.finish(), "");
}

TEST(StopStrings, RandomTextsHoweverTheyAreCut) {
  Rng rng(5, 0);
  const auto random_text = [&](std::uint64_t n) {
    std::string text;
    for (std::uint64_t i = 0; i < n; ++i) text.push_back(static_cast<char>('a' + rng.below(2)));
    return text;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> stops;
    for (std::uint64_t i = 0; i < 1 + round % 3u; ++i) stops.push_back(random_text(1 + rng.below(6)));
    const std::string text = random_text(rng.below(20));
    std::vector<std::string_view> pieces;
    for (std::size_t i = 0; i < text.size();) {
      pieces.push_back(std::string_view(text).substr(i, 1 + rng.below(4)));
      i += pieces.back().size();
    }
    ASSERT_EQ(stop(stops, pieces), stop_plainly(stops, text)) << text;
  }
}

}  // namespace
}  // namespace r1
