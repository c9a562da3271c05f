// grammar_test.cpp: character sets and networks against brute force over all characters and short texts.
#include "grammar/grammar.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "grammar/accepts_for_tests.h"
#include "grammar/automaton.h"
#include "text/utf8.h"

namespace r1 {
namespace {

using Part = GrammarBuilder::Part;

TEST(CharSet, IsASetOfAllCharactersButSurrogates) {
  Rng rng(1, 0);
  for (int round = 0; round < 6; ++round) {
    CharSet set;
    std::vector<CharSet::Range> added;
    for (int i = 0; i < 4; ++i) {
      const auto first = static_cast<std::uint32_t>(rng.below(0x110000));
      const auto last = first + static_cast<std::uint32_t>(rng.below(round % 2 == 0 ? 0x400 : 0x20000));
      set.add(first, last);
      added.push_back({first, last});
    }
    const CharSet rest = set.complement();
    for (std::uint32_t c = 0; c <= CharSet::kLast; c += round % 3 * 7 + 1) {
      const bool is_character = c < 0xD800 || c > 0xDFFF;
      const bool wanted = is_character && std::any_of(added.begin(), added.end(), [c](const CharSet::Range& r) {
                            return r.first <= c && c <= r.last;
                          });
      ASSERT_EQ(set.contains(c), wanted) << c;
      ASSERT_EQ(rest.contains(c), is_character && !wanted) << c;
    }
  }
}

// For each number up to the last character's, whether it is in the set, whose ranges are in order and apart.
std::vector<bool> membership(const CharSet& set) {
  std::vector<bool> is_in(CharSet::kLast + 1);
  std::int64_t last = -2;
  for (const CharSet::Range& range : set.ranges()) {
    EXPECT_GT(std::int64_t{range.first}, last + 1);
    EXPECT_LE(range.first, range.last);
    last = range.last;
    for (std::uint32_t c = range.first; c <= std::min(range.last, CharSet::kLast); ++c) is_in[c] = true;
  }
  return is_in;
}

TEST(CharSet, OfManyRangesInAnyOrderEqualsAPlainTable) {
  Rng rng(2, 0);
  std::vector<CharSet::Range> ranges;
  std::vector<bool> wanted(CharSet::kLast + 1);
  for (int i = 0; i < 20'000; ++i) {
    const auto first = static_cast<std::uint32_t>(rng.below(CharSet::kLast + 1));
    const auto last = first + static_cast<std::uint32_t>(rng.below(i % 1000 == 0 ? 0x1000 : 20));
    ranges.push_back({first, last});
    for (std::uint32_t c = first; c <= std::min(last, CharSet::kLast); ++c) wanted[c] = c < 0xD800 || c > 0xDFFF;
  }
  CharSet sum({ranges.begin(), ranges.begin() + 7000});
  const CharSet rest({ranges.begin() + 7000, ranges.end()}), all(ranges);
  EXPECT_TRUE(membership(all) == wanted);
  const std::vector<bool> in_rest = membership(rest), outside = membership(all.complement());
  const std::vector<bool> difference = membership(all.without(rest));
  for (std::uint32_t c = 0; c <= CharSet::kLast; ++c) {
    const bool is_character = c < 0xD800 || c > 0xDFFF;
    ASSERT_EQ(all.contains(c), wanted[c]) << c;
    ASSERT_EQ(outside[c], is_character && !wanted[c]) << c;
    ASSERT_EQ(difference[c], wanted[c] && !in_rest[c]) << c;
  }
  sum.add(rest);
  EXPECT_TRUE(membership(sum) == wanted);
}

// Every string of bytes that begins like a character: accepted when it is one, and in the set.
TEST(GrammarBuilder, CharactersAreTheirUtf8AndNothingElse) {
  CharSet set('a', 'f');
  set.add(0x3B1, 0x3C9);
  set.add(0x7FE, 0x801);
  set.add(0x4E00, 0x9FFF);
  set.add(0xFFF0, 0x10040);
  set.add(0x1F600, 0x1F64F);
  for (const CharSet& tried : {set, set.complement()}) {
    GrammarBuilder builder;
    Automaton automaton(*builder.finish(builder.characters(tried)));
    std::string text;
    std::uint32_t n_accepted = 0, n_wanted = 0;
    const std::function<void(int)> walk = [&](int state) {
      if (automaton.accepts(state)) {
        const Utf8Unit unit = first_utf8_unit(text);
        ASSERT_EQ(unit.kind, Utf8Unit::Kind::kCharacter);
        ASSERT_EQ(static_cast<std::size_t>(unit.n_bytes), text.size());
        ASSERT_TRUE(tried.contains(unit.code_point));
        ++n_accepted;
      }
      for (int byte = 0; byte < 256; ++byte) {
        const int next = automaton.next(state, static_cast<std::uint8_t>(byte));
        if (next == Automaton::kDead) continue;
        text.push_back(static_cast<char>(byte));
        walk(next);
        text.pop_back();
      }
    };
    walk(automaton.begin());
    for (const CharSet::Range& range : tried.ranges()) n_wanted += range.last - range.first + 1;
    EXPECT_EQ(n_accepted, n_wanted);
  }
}

TEST(GrammarBuilder, RepetitionsCount) {
  for (const auto& [min, max] : std::vector<std::pair<int, int>>{{0, -1}, {1, -1}, {0, 0}, {0, 1}, {2, 4}, {3, 3}}) {
    GrammarBuilder builder;
    const Part body = builder.sequence(
        {builder.literal("<"), builder.repeat([&] { return builder.literal("ab"); }, min, max), builder.literal(">")});
    Automaton automaton(*builder.finish(body));
    std::string inside;
    for (int n = 0; n < 8; ++n, inside += "ab") {
      EXPECT_EQ(accepts(automaton, "<" + inside + ">"), n >= min && (max < 0 || n <= max))
          << min << " " << max << " " << n;
      EXPECT_FALSE(accepts(automaton, "<" + inside + "a>"));
    }
  }
}

// Balanced brackets of two kinds, ended by a dot: what no automaton without a stack reads.
TEST(Automaton, CallsReturnToWhoCalled) {
  GrammarBuilder b;
  const int balanced = b.declare_rule();
  const auto inside = [&] { return b.repeat([&] { return b.call(balanced); }, 0, -1); };
  b.define_rule(balanced, b.choice({b.sequence({b.literal("("), inside(), b.literal(")")}),
                                    b.sequence({b.literal("["), inside(), b.literal("]")})}));
  Automaton automaton(*b.finish(b.sequence({inside(), b.literal(".")})));
  const auto is_balanced = [](std::string_view text) {
    std::string open;
    for (const char c : text) {
      if (c == '(' || c == '[') {
        open.push_back(c == '(' ? ')' : ']');
      } else if (open.empty() || open.back() != c) {
        return false;
      } else {
        open.pop_back();
      }
    }
    return open.empty();
  };
  int n_balanced = 0;
  for (int code = 0; code < 1 << 16; ++code) {
    std::string text;
    for (int i = 0; i < 8; ++i) text.push_back("()[]"[code >> 2 * i & 3]);
    n_balanced += is_balanced(text) ? 1 : 0;
    ASSERT_EQ(accepts(automaton, text + "."), is_balanced(text)) << text;
    ASSERT_FALSE(accepts(automaton, text));
  }
  EXPECT_EQ(n_balanced, 14 * 16);  // Catalan's number for 4 pairs, two kinds each
  automaton.forget();
  EXPECT_TRUE(accepts(automaton, std::string(5000, '(') + std::string(5000, ')') + "."));
}

TEST(GrammarBuilder, RefusesWhatNeverEndsAndWhatIsTooLarge) {
  GrammarBuilder left;
  const int itself = left.declare_rule();
  left.define_rule(itself, left.choice({left.call(itself), left.literal("a")}));
  EXPECT_EQ(left.finish(left.call(itself)).error().code, ErrorCode::kInvalidInput);

  GrammarBuilder endless;
  const int again = endless.declare_rule();
  endless.define_rule(again, endless.sequence({endless.literal("a"), endless.call(again)}));
  EXPECT_EQ(endless.finish(endless.call(again)).error().message, "nothing finite satisfies it");

  GrammarBuilder large(1000);
  const auto a = [&] { return large.literal("a"); };
  const auto many = [&] { return large.repeat(a, 0, 1000); };
  EXPECT_EQ(large.finish(large.repeat(many, 1000, 1000)).error().code, ErrorCode::kOutOfResource);
}

// One letter more than an automaton has places for, each by a way of its own.
TEST(Automaton, OfTooManyBeginningsIsDeadFromTheStart) {
  Grammar grammar;
  grammar.states.resize(2);
  grammar.states[1].ends = true;
  for (int i = 0; i < Automaton::kPlacesMax; ++i) {
    grammar.states[0].jumps.push_back(static_cast<int>(grammar.states.size()));
    grammar.states.emplace_back().edges.push_back({'a', 'a', 1});
  }
  for (const bool is_too_large : {true, false}) {
    Automaton automaton(grammar);
    automaton.forget();
    EXPECT_EQ(automaton.can_begin(), !is_too_large);
    EXPECT_EQ(accepts(automaton, "a"), !is_too_large);
    EXPECT_FALSE(accepts(automaton, "b"));
    EXPECT_FALSE(accepts(automaton, ""));
    grammar.states[0].jumps.pop_back();
  }
}

TEST(GrammarBuilder, RefusesTooManyBeginnings) {
  GrammarBuilder builder;
  std::vector<Part> letters;
  for (int i = 0; i < Automaton::kPlacesMax; ++i) letters.push_back(builder.literal("a"));
  const auto grammar = builder.finish(builder.choice(letters));
  ASSERT_FALSE(grammar.ok());
  EXPECT_EQ(grammar.error().code, ErrorCode::kOutOfResource);
  EXPECT_EQ(grammar.error().message, "can begin in more than 4096 ways, the limit");
}

// A branch that can't end is not entered.
TEST(GrammarBuilder, CutsOffWhatNeverEnds) {
  GrammarBuilder b;
  const int endless = b.declare_rule();
  b.define_rule(endless, b.sequence({b.literal("a"), b.call(endless)}));
  Automaton automaton(*b.finish(b.choice({b.call(endless), b.literal("b")})));
  EXPECT_EQ(automaton.next(automaton.begin(), 'a'), Automaton::kDead);
  EXPECT_TRUE(accepts(automaton, "b"));
}

}  // namespace
}  // namespace r1
