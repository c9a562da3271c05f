// undeclared_key.cpp: the declared names as a trie, and the ways out of it.
#include "grammar/undeclared_key.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/utf8.h"

namespace r1 {
namespace {

using Part = GrammarBuilder::Part;

std::vector<std::uint32_t> characters_of(std::string_view text) {
  std::vector<std::uint32_t> characters;
  while (!text.empty()) {
    const Utf8Unit unit = first_utf8_unit(text);
    characters.push_back(unit.code_point);
    text.remove_prefix(static_cast<std::size_t>(unit.n_bytes));
  }
  return characters;
}

const CharSet& plain() {
  static const CharSet set = [] {
    CharSet special(0, 0x1F);
    special.add('"', '"');
    special.add('\\', '\\');
    return special.complement();
  }();
  return set;
}

struct KeyStates {
  int free;          // any characters, and the closing quote
  int beyond_ascii;  // a character beyond ASCII, then the same
  int end;
};

// At `from` the key so far is the first `depth` characters of all `names`.
void add_trie(GrammarBuilder& builder, std::span<const std::vector<std::uint32_t>> names, std::size_t depth, int from,
              const KeyStates& to) {
  const bool is_name = !names.empty() && names[0].size() == depth;
  if (is_name) names = names.subspan(1);
  if (!is_name) builder.add_edge(from, '"', '"', to.end);
  CharSet taken;
  while (!names.empty() && !builder.is_full()) {
    const std::uint32_t c = names[0][depth];
    const auto other = std::find_if(names.begin(), names.end(), [&](const auto& name) { return name[depth] != c; });
    const auto n_same = static_cast<std::size_t>(other - names.begin());
    taken.add(c, c);
    if (plain().contains(c)) {  // else it would have to be escaped, and is no key here anyway
      const Part step = builder.characters({c, c});
      builder.jump(from, step.begin);
      add_trie(builder, names.first(n_same), depth + 1, step.end, to);
    }
    names = names.subspan(n_same);
  }
  const bool shares_rest = taken.without({0, 0x7F}).empty();  // most do: one copy of what costs many states
  if (shares_rest) {
    builder.jump(from, to.beyond_ascii);
    taken.add(0x80, CharSet::kLast);
  }
  const Part others = builder.characters(plain().without(taken));
  builder.jump(from, others.begin);
  builder.jump(others.end, to.free);
}

}  // namespace

// A trie of the declared ones, left before its ends.
Part undeclared_key(GrammarBuilder& builder, std::span<const std::string> declared) {
  std::vector<std::vector<std::uint32_t>> names;
  for (const std::string& name : declared) names.push_back(characters_of(name));
  std::sort(names.begin(), names.end());
  const Part key = {builder.add_state(), builder.add_state()};
  const Part quote = builder.literal("\"");
  builder.jump(key.begin, quote.begin);
  const Part rest = builder.repeat([&] { return builder.characters(plain()); }, 0, -1);
  const Part closing = builder.literal("\""), beyond_ascii = builder.characters(plain().without({0, 0x7F}));
  builder.jump(rest.end, closing.begin);
  builder.jump(closing.end, key.end);
  builder.jump(beyond_ascii.end, rest.begin);
  add_trie(builder, names, 0, quote.end, {rest.begin, beyond_ascii.begin, key.end});
  return key;
}

}  // namespace r1
