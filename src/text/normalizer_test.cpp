// normalizer_test.cpp: form C, asked for piecewise, equals form C of the whole.
#include "text/normalizer.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace r1 {
namespace {

std::string composed(std::string_view text) {
  std::string storage;
  return std::string(compose_nfc(text, storage));
}

TEST(Normalizer, ComposesWhatComposes) {
  EXPECT_EQ(composed(""), "");
  EXPECT_EQ(composed("plain, caf\u00E9 中文 \uD55C"), "plain, caf\u00E9 中文 \uD55C");
  EXPECT_EQ(composed("e\u0301"), "\u00E9");
  EXPECT_EQ(composed("xe\u0301ye\u0301"), "x\u00E9y\u00E9");
  EXPECT_EQ(composed("\u0301a"), "\u0301a") << "a mark with nothing to join";
  EXPECT_EQ(composed("q\u0307\u0323"), "q\u0323\u0307") << "marks are put in order";
  EXPECT_EQ(composed("\u1112\u1161\u11AB"), "\uD55C") << "Hangul from its letters";
  EXPECT_EQ(composed("\uD558\u11AB"), "\uD55C") << "Hangul, the last letter apart";
  EXPECT_EQ(composed("\uB7EC\u11A7"), "\uB7EC\u11A7") << "utf8proc alone loses the second";
  EXPECT_EQ(composed("\u212B\u2126"), "\u00C5\u03A9") << "characters with another home";
  EXPECT_EQ(composed("か\u3099"), "が");
  EXPECT_EQ(composed("\u0B47\u0B3E"), "\u0B4B") << "a mark that is a letter's second half";
}

TEST(Normalizer, MoreMarksThanAnyLanguageHasStayAsTheyAre) {
  std::string marks;
  for (int i = 0; i < 31; ++i) marks += i % 2 == 0 ? "\u0301" : "\u0323";
  EXPECT_EQ(composed("a" + marks + " e\u0301"), "a" + marks + " \u00E9");
}

TEST(Normalizer, ComposingTwiceChangesNothing) {
  const std::string_view parts[] = {"a",      "e",      "\u0301", "\u0323", "\u0307", "\u1112", "\u1161",
                                    "\u11AB", "\uD558", "中",     "\u212B", "か",     "\u3099", "\u0915\u093C",
                                    " ",      "\u1EBF", "\u0B47", "\u0B3E"};
  Rng rng(9, 0);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (std::uint64_t n = rng.below(12); n > 0; --n) text += parts[rng.below(std::size(parts))];
    const std::string once = composed(text);
    ASSERT_EQ(composed(once), once);
  }
}

}  // namespace
}  // namespace r1
