// automaton.h: reads bytes with a Grammar, made deterministic as it goes: a state here is the set of all places the
// grammar can be in, each with its stack of calls to return to, and is found again when it comes again.
//
// Not thread-safe: used by one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"

namespace r1 {

class Automaton {
 public:
  static constexpr int kDead = -1;         // no text that began so is in the language
  static constexpr int kPlacesMax = 4096;  // of one state; a grammar more ambiguous than that is dead there

  explicit Automaton(Grammar grammar);

  int begin() const { return 0; }  // a state in any case: one that leads nowhere if no text can begin
  bool can_begin() const { return states_[0].accepts || !states_[0].places.empty(); }
  int next(int state, std::uint8_t byte) {
    const int known = table_[static_cast<std::size_t>(state) * n_classes_ + classes_[byte]];
    return known != kUnknown ? known : find_next(state, byte);
  }
  bool accepts(int state) const { return states_[static_cast<std::size_t>(state)].accepts; }

  int n_states() const { return static_cast<int>(states_.size()); }
  void forget();  // all states but begin(): those handed out mean nothing any more

 private:
  static constexpr int kUnknown = -2;
  struct Place {
    int state, stack;  // of the grammar; id in stacks_
    bool operator==(const Place&) const = default;
    bool operator<(const Place& other) const {
      return state != other.state ? state < other.state : stack < other.stack;
    }
  };
  struct State {
    std::vector<Place> places;  // sorted; only those with edges
    bool accepts = false;
  };
  struct Stack {
    int top, rest;  // the state to return to, and the stack below
  };

  int find_next(int state, std::uint8_t byte);
  int intern(std::vector<Place> frontier);
  int add(State state);
  int push(int state, int stack);

  const Grammar grammar_;
  std::array<std::uint8_t, 256> classes_{};  // bytes that no edge tells apart share one
  std::size_t n_classes_ = 0;
  std::vector<int> table_;  // [n_states, n_classes]
  std::vector<State> states_;
  std::vector<Stack> stacks_;  // id 0: empty
  std::unordered_map<std::uint64_t, int> stack_ids_;
  std::unordered_multimap<std::uint64_t, int> state_ids_;  // by a hash of the places
};

}  // namespace r1
