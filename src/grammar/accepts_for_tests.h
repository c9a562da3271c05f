// accepts_for_tests.h: whether a whole text is of an automaton's language.
#pragma once

#include <cstdint>
#include <string_view>

#include "grammar/automaton.h"

namespace r1 {

inline bool accepts(Automaton& automaton, std::string_view text) {
  int state = automaton.begin();
  for (const char c : text) {
    state = automaton.next(state, static_cast<std::uint8_t>(c));
    if (state == Automaton::kDead) return false;
  }
  return automaton.accepts(state);
}

}  // namespace r1
