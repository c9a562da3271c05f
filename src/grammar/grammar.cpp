// grammar.cpp: parts joined by jumps; then what keeps readers from running in circles, or from never setting out.
#include "grammar/grammar.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "grammar/automaton.h"

namespace r1 {
namespace {

// Of each state, those that lead to it.
std::vector<std::vector<int>> sources_of(const std::vector<Grammar::State>& states) {
  std::vector<std::vector<int>> sources(states.size());
  for (int id = 0; id < static_cast<int>(states.size()); ++id) {
    const Grammar::State& s = states[static_cast<std::size_t>(id)];
    const auto add = [&](int target) { sources[static_cast<std::size_t>(target)].push_back(id); };
    for (const Grammar::Edge& edge : s.edges) add(edge.target);
    for (const int target : s.jumps) add(target);
    if (s.call >= 0) add(s.call), add(s.after_call);
  }
  return sources;
}

// Where an end can be reached from, found backwards from the ends: what leads to a state is looked at when the state
// has been found. (Passes over all states, until one finds no more, found one letter of a pattern each.)
std::vector<bool> states_that_end(const std::vector<Grammar::State>& states) {
  const std::vector<std::vector<int>> sources = sources_of(states);
  std::vector<bool> found(states.size(), false);
  std::vector<int> fresh;
  const auto is_found = [&](int id) { return static_cast<bool>(found[static_cast<std::size_t>(id)]); };
  const auto leads_on = [&](const Grammar::State& s) {
    return s.ends || (s.call >= 0 && is_found(s.call) && is_found(s.after_call)) ||
           std::any_of(s.jumps.begin(), s.jumps.end(), is_found) ||
           std::any_of(s.edges.begin(), s.edges.end(), [&](const auto& edge) { return is_found(edge.target); });
  };
  const auto look_at = [&](int id) {
    if (is_found(id) || !leads_on(states[static_cast<std::size_t>(id)])) return;
    found[static_cast<std::size_t>(id)] = true;
    fresh.push_back(id);
  };
  for (int id = 0; id < static_cast<int>(states.size()); ++id) look_at(id);
  while (!fresh.empty()) {
    const auto& next = sources[static_cast<std::size_t>(fresh.back())];
    fresh.pop_back();
    for (const int source : next) look_at(source);
  }
  return found;
}

}  // namespace

int GrammarBuilder::add_state() {
  if (is_full()) return 0;  // finish() refuses what is built from here on
  states_.emplace_back();
  return static_cast<int>(states_.size()) - 1;
}

void GrammarBuilder::add_edge(int from, std::uint8_t first, std::uint8_t last, int to) {
  states_[static_cast<std::size_t>(from)].edges.push_back({first, last, to});
}

void GrammarBuilder::jump(int from, int to) { states_[static_cast<std::size_t>(from)].jumps.push_back(to); }

GrammarBuilder::Part GrammarBuilder::empty() {
  const int state = add_state();
  return {state, state};
}

GrammarBuilder::Part GrammarBuilder::literal(std::string_view bytes) {
  Part part = empty();
  for (const char c : bytes) {
    if (is_full()) break;
    const auto byte = static_cast<std::uint8_t>(c);
    const int next = add_state();
    add_edge(part.end, byte, byte, next);
    part.end = next;
  }
  return part;
}

GrammarBuilder::Part GrammarBuilder::bytes(std::uint8_t first, std::uint8_t last) {
  const Part part = {add_state(), add_state()};
  add_edge(part.begin, first, last, part.end);
  return part;
}

GrammarBuilder::Part GrammarBuilder::characters(const CharSet& set) {
  const Part part = {add_state(), add_state()};
  for (const CharSet::Range& range : set.ranges()) {
    for (const Utf8Sequence& sequence : utf8_sequences(range)) {
      int from = part.begin;
      for (int i = 0; i < sequence.n_bytes; ++i) {
        const int to = i + 1 == sequence.n_bytes ? part.end : add_state();
        add_edge(from, sequence.first[i], sequence.last[i], to);
        from = to;
      }
    }
  }
  return part;
}

GrammarBuilder::Part GrammarBuilder::sequence(const std::vector<Part>& parts) {
  Part whole = empty();
  for (const Part& part : parts) {
    jump(whole.end, part.begin);
    whole.end = part.end;
  }
  return whole;
}

GrammarBuilder::Part GrammarBuilder::choice(const std::vector<Part>& parts) {
  const Part whole = {add_state(), add_state()};
  for (const Part& part : parts) {
    jump(whole.begin, part.begin);
    jump(part.end, whole.end);
  }
  return whole;
}

GrammarBuilder::Part GrammarBuilder::optional(Part part) { return choice({part, empty()}); }

GrammarBuilder::Part GrammarBuilder::repeat(const std::function<Part()>& make, int min, int max) {
  Part whole = empty();
  const auto append = [&](Part part) {
    jump(whole.end, part.begin);
    whole.end = part.end;
  };
  for (int i = 0; i < min && !is_full(); ++i) append(make());
  if (max < 0) {
    const Part again = make();
    const Part loop = {add_state(), add_state()};
    jump(loop.begin, again.begin);
    jump(again.end, loop.begin);
    jump(loop.begin, loop.end);
    append(loop);
    return whole;
  }
  const int end = add_state();
  for (int i = min; i < max && !is_full(); ++i) {
    jump(whole.end, end);
    append(make());
  }
  jump(whole.end, end);
  whole.end = end;
  return whole;
}

int GrammarBuilder::declare_rule() {
  rules_.push_back(add_state());
  return static_cast<int>(rules_.size()) - 1;
}

void GrammarBuilder::define_rule(int rule, Part body) {
  jump(rules_[static_cast<std::size_t>(rule)], body.begin);
  states_[static_cast<std::size_t>(body.end)].ends = true;
}

GrammarBuilder::Part GrammarBuilder::call(int rule) {
  const Part part = {add_state(), add_state()};
  Grammar::State& state = states_[static_cast<std::size_t>(part.begin)];
  state.call = rules_[static_cast<std::size_t>(rule)];
  state.after_call = part.end;
  return part;
}

// A depth-first search over what is reached without a byte. What stands behind a call is not: rules read a byte, or are
// called behind one.
Status GrammarBuilder::check_recursion() const {
  enum Mark : std::uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(states_.size(), kNew);
  std::vector<std::pair<int, std::size_t>> path;  // state, and which of its successors is next
  const auto successor = [&](int id, std::size_t i) {
    const Grammar::State& state = states_[static_cast<std::size_t>(id)];
    if (i < state.jumps.size()) return state.jumps[i];
    return i == state.jumps.size() ? state.call : -1;
  };
  for (const int rule : rules_) {
    if (marks[static_cast<std::size_t>(rule)] == kNew) path.emplace_back(rule, 0);
    while (!path.empty()) {
      auto& [id, i] = path.back();
      marks[static_cast<std::size_t>(id)] = kOpen;
      const int next = successor(id, i++);
      if (next < 0) {
        marks[static_cast<std::size_t>(id)] = kDone;
        path.pop_back();
        continue;
      }
      const Mark mark = marks[static_cast<std::size_t>(next)];
      if (mark == kOpen && std::find(rules_.begin(), rules_.end(), next) != rules_.end())
        return Error{ErrorCode::kInvalidInput, "a definition refers to itself and to nothing else"};
      if (mark == kNew) path.emplace_back(next, 0);
    }
  }
  return {};
}

void GrammarBuilder::drop_what_never_ends() {
  const std::vector<bool> good = states_that_end(states_);
  const auto is_good = [&](int id) { return static_cast<bool>(good[static_cast<std::size_t>(id)]); };
  for (Grammar::State& s : states_) {
    std::erase_if(s.edges, [&](const auto& edge) { return !is_good(edge.target); });
    std::erase_if(s.jumps, [&](int target) { return !is_good(target); });
    if (s.call >= 0 && !(is_good(s.call) && is_good(s.after_call))) s.call = s.after_call = -1;
  }
}

Result<Grammar> GrammarBuilder::finish(Part body) {
  if (is_full()) {
    return Error{ErrorCode::kOutOfResource,
                 fmt::format("needs {} states of an automaton or more, the limit", max_states_)};
  }
  states_[static_cast<std::size_t>(body.end)].ends = true;
  R1_TRY_STATUS(check_recursion());
  drop_what_never_ends();
  const Grammar::State& begin = states_[static_cast<std::size_t>(body.begin)];
  if (begin.edges.empty() && begin.jumps.empty() && begin.call < 0 && !begin.ends)
    return Error{ErrorCode::kInvalidInput, "nothing finite satisfies it"};
  Grammar grammar{std::exchange(states_, {}), body.begin};
  if (!Automaton(grammar).can_begin()) {
    return Error{ErrorCode::kOutOfResource,
                 fmt::format("can begin in more than {} ways, the limit", Automaton::kPlacesMax)};
  }
  return grammar;
}

}  // namespace r1
