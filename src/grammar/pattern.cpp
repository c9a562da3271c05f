// pattern.cpp: recursive descent over the pattern. A tree first: repetition copies what it repeats.
#include "grammar/pattern.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "text/utf8.h"

namespace r1 {
namespace {

constexpr int kGroupsMax = 32;  // one in another
constexpr int kRepetitionsMax = 1000;
constexpr std::size_t kPatternBytesMax = 1 << 16;  // each is work, also those that make no state

struct Node {
  enum class Kind { kCharacter, kSequence, kChoice, kRepeat };
  Kind kind = Kind::kSequence;
  CharSet set;
  std::vector<Node> children;
  int min = 0, max = -1;
};

CharSet digits() { return {'0', '9'}; }
CharSet word_characters() {
  CharSet set('0', '9');
  set.add('a', 'z');
  set.add('A', 'Z');
  set.add('_', '_');
  return set;
}
CharSet spaces() {
  CharSet set(9, 13);
  for (const std::uint32_t c : {0x20u, 0xA0u, 0x1680u, 0x2028u, 0x2029u, 0x202Fu, 0x205Fu, 0x3000u, 0xFEFFu})
    set.add(c, c);
  set.add(0x2000, 0x200A);
  return set;
}
CharSet line_ends() {
  CharSet set('\n', '\n');
  set.add('\r', '\r');
  set.add(0x2028, 0x2029);
  return set;
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : rest_(pattern) {}

  struct Parsed {
    Node node;
    bool from_begin, to_end;
  };
  Result<Parsed> parse() {
    const bool from_begin = take('^');
    R1_TRY(Node node, choice(0));
    const bool to_end = take('$');
    if (!rest_.empty()) return unexpected();
    // "^a|b" anchors only its first branch: rarely meant, and not said here.
    if ((from_begin || to_end) && node.kind == Node::Kind::kChoice)
      return Error{ErrorCode::kUnsupported, "an anchor beside '|': put the alternatives into a group"};
    return Parsed{std::move(node), from_begin, to_end};
  }

 private:
  bool take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  Error unexpected() const { return {ErrorCode::kUnsupported, fmt::format("'{:.20}' is not understood there", rest_)}; }

  Result<Node> choice(int depth) {
    Node node{.kind = Node::Kind::kChoice};
    do {
      R1_TRY(Node branch, sequence(depth));
      node.children.push_back(std::move(branch));
    } while (take('|'));
    if (node.children.size() == 1) return std::move(node.children[0]);
    return node;
  }

  Result<Node> sequence(int depth) {
    Node node{.kind = Node::Kind::kSequence};
    while (!rest_.empty() && rest_[0] != '|' && rest_[0] != ')' && !(rest_[0] == '$' && rest_.size() == 1)) {
      R1_TRY(Node item, atom(depth));
      R1_TRY(item, repeated(std::move(item)));
      node.children.push_back(std::move(item));
    }
    return node;
  }

  Result<Node> atom(int depth) {
    if (take('(')) {
      if (rest_.starts_with("?:"))
        rest_.remove_prefix(2);
      else if (rest_.starts_with("?"))
        return unexpected();
      if (depth >= kGroupsMax) return Error{ErrorCode::kUnsupported, "groups nested too deeply"};
      R1_TRY(Node group, choice(depth + 1));
      if (!take(')')) return Error{ErrorCode::kInvalidInput, "a group is not closed"};
      return group;
    }
    Node node{.kind = Node::Kind::kCharacter};
    if (take('[')) {
      R1_TRY(node.set, character_class());
    } else if (take('.')) {
      node.set = line_ends().complement();
    } else if (std::string_view("^$*+?{}])").find(rest_[0]) != std::string_view::npos) {
      return unexpected();
    } else {
      R1_TRY(node.set, character(false));
    }
    return node;
  }

  // One character, or the set an escape stands for.
  Result<CharSet> character(bool in_class) {
    const Utf8Unit unit = first_utf8_unit(rest_);
    if (unit.kind != Utf8Unit::Kind::kCharacter) return Error{ErrorCode::kInvalidInput, "not UTF-8"};
    if (!take('\\')) {
      rest_.remove_prefix(static_cast<std::size_t>(unit.n_bytes));
      return CharSet(unit.code_point, unit.code_point);
    }
    if (rest_.empty()) return Error{ErrorCode::kInvalidInput, "it ends in a backslash"};
    const char c = rest_[0];
    const auto one = [&](std::uint32_t code) {
      rest_.remove_prefix(1);
      return CharSet(code, code);
    };
    switch (c) {
      case 'd':
        return one('0'), digits();
      case 'D':
        return one('0'), digits().complement();
      case 'w':
        return one('0'), word_characters();
      case 'W':
        return one('0'), word_characters().complement();
      case 's':
        return one('0'), spaces();
      case 'S':
        return one('0'), spaces().complement();
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'u':
        return by_number(4);
      case 'x':
        return by_number(2);
      case 'b':
        if (in_class) return one('\b');
        break;
      default:
        if (std::string_view("^$\\.*+?()[]{}|/-\"' ,:;=!@#%&<>~`_").find(c) != std::string_view::npos)
          return one(static_cast<unsigned char>(c));
    }
    return Error{ErrorCode::kUnsupported, fmt::format("'\\{}' is not understood", c)};
  }

  Result<CharSet> by_number(std::size_t n_digits) {
    std::uint32_t code = 0;
    const std::string_view digits_here = rest_.substr(1, n_digits);
    const auto [end, failed] = std::from_chars(digits_here.data(), digits_here.data() + digits_here.size(), code, 16);
    if (failed != std::errc() || end != digits_here.data() + n_digits || (code >= 0xD800 && code <= 0xDFFF))
      return unexpected();
    rest_.remove_prefix(1 + n_digits);
    return CharSet(code, code);
  }

  Result<CharSet> character_class() {
    const bool is_negated = take('^');
    std::vector<CharSet::Range> ranges;
    while (!take(']')) {
      if (rest_.empty()) return Error{ErrorCode::kInvalidInput, "a class is not closed"};
      R1_TRY(const CharSet first, character(true));
      const bool is_range = rest_.size() >= 2 && rest_[0] == '-' && rest_[1] != ']';
      if (!is_range) {
        ranges.insert(ranges.end(), first.ranges().begin(), first.ranges().end());
        continue;
      }
      rest_.remove_prefix(1);
      R1_TRY(const CharSet last, character(true));
      const bool are_single = single(first) && single(last);
      if (!are_single || *single(first) > *single(last))
        return Error{ErrorCode::kInvalidInput, "a range in a class has no order"};
      ranges.push_back({*single(first), *single(last)});
    }
    CharSet set(std::move(ranges));
    if (is_negated) set = set.complement();
    if (set.empty()) return Error{ErrorCode::kInvalidInput, "a class is empty"};
    return set;
  }

  static std::optional<std::uint32_t> single(const CharSet& set) {
    const bool is_single = set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
    return is_single ? std::optional(set.ranges()[0].first) : std::nullopt;
  }

  Result<Node> repeated(Node item) {
    Node node{.kind = Node::Kind::kRepeat};
    if (take('*')) {
      node.min = 0, node.max = -1;
    } else if (take('+')) {
      node.min = 1, node.max = -1;
    } else if (take('?')) {
      node.min = 0, node.max = 1;
    } else if (take('{')) {
      R1_TRY(node.min, count());
      node.max = node.min;
      if (take(',')) {
        node.max = -1;
        if (rest_.empty() || rest_[0] != '}') {
          R1_TRY(node.max, count());
        }
      }
      if (!take('}')) return unexpected();
      if (node.max >= 0 && node.max < node.min)
        return Error{ErrorCode::kInvalidInput, "a repetition's numbers are out of order"};
    } else {
      return item;
    }
    if (!rest_.empty() && (rest_[0] == '?' || rest_[0] == '*' || rest_[0] == '+' || rest_[0] == '{'))
      return unexpected();
    node.children.push_back(std::move(item));
    return node;
  }

  Result<int> count() {
    int number = 0;
    const auto [end, failed] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (failed != std::errc() || number < 0) return unexpected();
    if (number > kRepetitionsMax)
      return Error{ErrorCode::kUnsupported,
                   fmt::format("repeats {} times, at most {} are possible", number, kRepetitionsMax)};
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return number;
  }

  std::string_view rest_;
};

GrammarBuilder::Part build(const Node& node, GrammarBuilder& b, JsonParts& json) {
  if (b.is_full()) return b.empty();
  const auto build_child = [&](const Node& child) { return build(child, b, json); };
  if (node.kind == Node::Kind::kCharacter) return json.character(node.set);
  if (node.kind == Node::Kind::kRepeat)
    return b.repeat([&] { return build_child(node.children[0]); }, node.min, node.max);
  std::vector<GrammarBuilder::Part> parts;
  std::transform(node.children.begin(), node.children.end(), std::back_inserter(parts), build_child);
  return node.kind == Node::Kind::kChoice ? b.choice(parts) : b.sequence(parts);
}

}  // namespace

Result<GrammarBuilder::Part> pattern_string(std::string_view pattern, GrammarBuilder& builder, JsonParts& json) {
  if (pattern.size() > kPatternBytesMax)
    return Error{ErrorCode::kUnsupported, fmt::format("it is longer than {} bytes", kPatternBytesMax)};
  R1_TRY(const Parser::Parsed parsed, Parser(pattern).parse());
  const auto anything = [&] { return builder.repeat([&] { return json.character(CharSet::all()); }, 0, -1); };
  return builder.sequence({builder.literal("\""), parsed.from_begin ? builder.empty() : anything(),
                           build(parsed.node, builder, json), parsed.to_end ? builder.empty() : anything(),
                           builder.literal("\"")});
}

}  // namespace r1
