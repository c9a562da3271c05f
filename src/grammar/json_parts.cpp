// json_parts.cpp: from characters up to values.
#include "grammar/json_parts.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr int kDigitsMax = 16;
constexpr int kIndentMax = 32, kTabsMax = 8;

// What stands in quotes only behind a backslash.
CharSet escaped() {
  CharSet set(0, 0x1F);
  set.add('"', '"');
  set.add('\\', '\\');
  return set;
}

// The short escapes: what they stand for, and their letter.
constexpr std::array<std::pair<char, char>, 7> kEscapes = {
    {{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}}};

bool has_short_escape(std::uint32_t c) {
  return std::any_of(kEscapes.begin(), kEscapes.end(),
                     [c](const auto& escape) { return static_cast<std::uint32_t>(escape.first) == c; });
}

}  // namespace

JsonParts::JsonParts(GrammarBuilder& builder)
    : builder_(builder),
      space_(builder.declare_rule()),
      character_(builder.declare_rule()),
      integer_(builder.declare_rule()),
      number_(builder.declare_rule()),
      value_(builder.declare_rule()),
      object_(builder.declare_rule()),
      array_(builder.declare_rule()) {
  define_space();
  define_character();
  define_numbers();
  define_values();
}

// The only rule that may match nothing. It always stands behind a byte of the rule that calls it: check_recursion()
// counts on that.
void JsonParts::define_space() {
  GrammarBuilder& b = builder_;
  const Part indent = b.choice({b.repeat([&] { return b.literal(" "); }, 0, kIndentMax),
                                b.repeat([&] { return b.literal("\t"); }, 1, kTabsMax)});
  b.define_rule(space_, b.choice({b.empty(), b.literal(" "), b.sequence({b.literal("\n"), indent})}));
}

void JsonParts::define_numbers() {
  GrammarBuilder& b = builder_;
  const Part from_one = b.sequence({b.bytes('1', '9'), digits(0, kDigitsMax - 1)});
  b.define_rule(integer_, b.sequence({b.optional(b.literal("-")), b.choice({b.literal("0"), from_one})}));
  const Part fraction = b.sequence({b.literal("."), digits(1, kDigitsMax)});
  const Part sign = b.choice({b.empty(), b.literal("+"), b.literal("-")});
  const Part exponent = b.sequence({b.choice({b.literal("e"), b.literal("E")}), sign, digits(1, 2)});
  b.define_rule(number_, b.sequence({integer(), b.optional(fraction), b.optional(exponent)}));
}

void JsonParts::define_character() {
  GrammarBuilder& b = builder_;
  const auto hex = [&] { return b.choice({b.bytes('0', '9'), b.bytes('a', 'f'), b.bytes('A', 'F')}); };
  const auto d = [&] { return b.choice({b.bytes('d', 'd'), b.bytes('D', 'D')}); };
  const auto not_d = [&] {
    return b.choice({b.bytes('0', '9'), b.bytes('a', 'c'), b.bytes('e', 'f'), b.bytes('A', 'C'), b.bytes('E', 'F')});
  };
  const auto high = [&] { return b.choice({b.bytes('8', '9'), b.bytes('a', 'b'), b.bytes('A', 'B')}); };
  const auto low = [&] { return b.choice({b.bytes('c', 'f'), b.bytes('C', 'F')}); };
  const Part in_plane =
      b.choice({b.sequence({not_d(), hex(), hex(), hex()}), b.sequence({d(), b.bytes('0', '7'), hex(), hex()})});
  const Part pair = b.sequence({d(), high(), hex(), hex(), b.literal("\\u"), d(), low(), hex(), hex()});
  CharSet letters('/', '/');
  for (const auto& [c, letter] : kEscapes)
    letters.add(static_cast<std::uint32_t>(letter), static_cast<std::uint32_t>(letter));
  const Part escape = b.sequence(
      {b.literal("\\"), b.choice({b.characters(letters), b.sequence({b.literal("u"), b.choice({in_plane, pair})})})});
  b.define_rule(character_, b.choice({b.characters(escaped().complement()), escape}));
}

void JsonParts::define_values() {
  GrammarBuilder& b = builder_;
  b.define_rule(object_, list(
                             "{", [&] { return member(string(0, -1), any_value()); }, 0, -1, "}"));
  b.define_rule(array_, list(
                            "[", [&] { return any_value(); }, 0, -1, "]"));
  b.define_rule(value_, b.choice({any_object(), any_array(), string(0, -1), number(), b.literal("true"),
                                  b.literal("false"), b.literal("null")}));
}

GrammarBuilder::Part JsonParts::digits(int min, int max) {
  return builder_.repeat([&] { return builder_.bytes('0', '9'); }, min, max);
}

GrammarBuilder::Part JsonParts::string(int min_length, int max_length) {
  GrammarBuilder& b = builder_;
  const Part inside = b.repeat([&] { return b.call(character_); }, min_length, max_length);
  return b.sequence({b.literal("\""), inside, b.literal("\"")});
}

GrammarBuilder::Part JsonParts::character(const CharSet& set) {
  GrammarBuilder& b = builder_;
  std::vector<Part> ways = {b.characters(set.without(escaped()))};
  for (const auto& [c, letter] : kEscapes)
    if (set.contains(static_cast<std::uint32_t>(c))) ways.push_back(b.literal(std::string{'\\', letter}));
  for (std::uint32_t c = 0; c < 0x20; ++c)
    if (set.contains(c) && !has_short_escape(c)) ways.push_back(b.literal(fmt::format("\\u{:04x}", c)));
  return b.choice(ways);
}

GrammarBuilder::Part JsonParts::list(std::string_view open, const std::function<Part()>& item, int min, int max,
                                     std::string_view close) {
  GrammarBuilder& b = builder_;
  const Part begin = b.sequence({b.literal(open), space()}), end = b.literal(close);
  if (max == 0) return b.sequence({begin, end});
  const auto more = [&] { return b.sequence({b.literal(","), space(), item()}); };
  const Part items = b.sequence({item(), b.repeat(more, std::max(min - 1, 0), max < 0 ? -1 : max - 1), space()});
  return b.sequence({begin, min > 0 ? items : b.optional(items), end});
}

GrammarBuilder::Part JsonParts::member(Part key, Part value) {
  return builder_.sequence({key, builder_.literal(":"), builder_.optional(builder_.literal(" ")), value});
}

}  // namespace r1
