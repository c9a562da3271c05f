// grammar.h: a language of bytes as a recursive transition network (Woods, 1970): states with edges over ranges of
// bytes, jumps that take no byte, and calls of rules, which return. GrammarBuilder makes one out of parts, as Thompson
// (1968) makes automata out of regular expressions; Automaton (grammar/automaton.h) reads bytes with it.
//
// Bytes below 0xFF are text. kMarker begins the name of an added token that text can't spell, such as R1's
// <｜tool▁calls▁begin｜>: it occurs in no UTF-8, so a string in a grammar never takes one for its own.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/char_set.h"

namespace r1 {

struct Grammar {
  static constexpr unsigned char kMarker = 0xFF;

  struct Edge {
    std::uint8_t first, last;  // bytes, both included
    int target;
  };
  struct State {
    std::vector<Edge> edges;
    std::vector<int> jumps;
    int call = -1, after_call = -1;  // the state a rule begins in, and where to go on behind it; -1: no call
    bool ends = false;               // the rule, or all: the end of what begin() began
  };
  std::vector<State> states;
  int begin = 0;
};

// Parts are used once: joining two changes both. Past the limit of states a builder makes no new ones, and finish()
// says so: whoever builds in a loop asks is_full().
class GrammarBuilder {
 public:
  static constexpr int kStatesMax = 1 << 16;

  struct Part {
    int begin, end;
  };

  explicit GrammarBuilder(int max_states = kStatesMax) : max_states_(max_states) {}
  bool is_full() const { return static_cast<int>(states_.size()) >= max_states_; }

  Part empty();
  Part literal(std::string_view bytes);
  Part bytes(std::uint8_t first, std::uint8_t last);
  Part characters(const CharSet& set);  // in UTF-8
  Part sequence(std::initializer_list<Part> parts) { return sequence(std::vector<Part>(parts)); }
  Part sequence(const std::vector<Part>& parts);
  Part choice(std::initializer_list<Part> parts) { return choice(std::vector<Part>(parts)); }
  Part choice(const std::vector<Part>& parts);
  Part optional(Part part);
  // `make` is called for every copy; max -1: no limit.
  Part repeat(const std::function<Part()>& make, int min, int max);

  // A rule can be called before it is defined. One that may match nothing is called only behind a byte of its caller's.
  int declare_rule();
  void define_rule(int rule, Part body);
  Part call(int rule);

  // For automata made by hand.
  int add_state();
  void add_edge(int from, std::uint8_t first, std::uint8_t last, int to);
  void jump(int from, int to);

  // The grammar of `body`, without what can never come to an end. Errors: kOutOfResource over the limit of states, or
  // of places that an Automaton can be in at the beginning; kInvalidInput for a rule that calls itself before it reads
  // a byte, and for a body that never ends.
  Result<Grammar> finish(Part body);

 private:
  Status check_recursion() const;
  void drop_what_never_ends();

  int max_states_;
  std::vector<Grammar::State> states_;
  std::vector<int> rules_;  // the state each begins in
};

}  // namespace r1
