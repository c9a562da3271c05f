// automaton.cpp: the subset construction (Rabin and Scott, 1959), lazily, with stacks that share their tails.
#include "grammar/automaton.h"

#include <algorithm>
#include <set>

namespace r1 {

Automaton::Automaton(Grammar grammar) : grammar_(std::move(grammar)) {
  std::array<bool, 257> begins_class{};
  for (const Grammar::State& state : grammar_.states) {
    for (const Grammar::Edge& edge : state.edges) {
      begins_class[edge.first] = true;
      begins_class[static_cast<std::size_t>(edge.last) + 1] = true;
    }
  }
  for (std::size_t byte = 0, id = 0; byte < 256; ++byte) {
    if (byte > 0 && begins_class[byte]) ++id;
    classes_[byte] = static_cast<std::uint8_t>(id);
    n_classes_ = id + 1;
  }
  forget();
}

void Automaton::forget() {
  table_.clear();
  states_.clear();
  state_ids_.clear();
  stack_ids_.clear();
  stacks_.assign(1, {-1, -1});
  if (intern({{grammar_.begin, 0}}) == kDead) add({});
}

int Automaton::push(int state, int stack) {
  const std::uint64_t key =
      static_cast<std::uint64_t>(static_cast<std::uint32_t>(state)) << 32 | static_cast<std::uint32_t>(stack);
  const auto [place, is_new] = stack_ids_.emplace(key, static_cast<int>(stacks_.size()));
  if (is_new) stacks_.push_back({state, stack});
  return place->second;
}

int Automaton::find_next(int state, std::uint8_t byte) {
  std::vector<Place> frontier;
  for (const Place& place : states_[static_cast<std::size_t>(state)].places) {
    for (const Grammar::Edge& edge : grammar_.states[static_cast<std::size_t>(place.state)].edges)
      if (edge.first <= byte && byte <= edge.last) frontier.push_back({edge.target, place.stack});
  }
  const int next = frontier.empty() ? kDead : intern(std::move(frontier));
  table_[static_cast<std::size_t>(state) * n_classes_ + classes_[byte]] = next;
  return next;
}

// The state of all places that are reached from these without a byte.
int Automaton::intern(std::vector<Place> frontier) {
  std::set<Place> seen;
  State found;
  while (!frontier.empty()) {
    const Place place = frontier.back();
    frontier.pop_back();
    if (!seen.insert(place).second) continue;
    if (seen.size() > kPlacesMax) return kDead;
    const Grammar::State& state = grammar_.states[static_cast<std::size_t>(place.state)];
    if (!state.edges.empty()) found.places.push_back(place);
    for (const int target : state.jumps) frontier.push_back({target, place.stack});
    if (state.call >= 0) frontier.push_back({state.call, push(state.after_call, place.stack)});
    if (!state.ends) continue;
    const Stack stack = stacks_[static_cast<std::size_t>(place.stack)];
    if (stack.top < 0)
      found.accepts = true;
    else
      frontier.push_back({stack.top, stack.rest});
  }
  std::sort(found.places.begin(), found.places.end());
  std::uint64_t hash = found.accepts ? 1 : 0;
  for (const Place& place : found.places)
    for (const int part : {place.state, place.stack})
      hash = (hash ^ static_cast<std::uint32_t>(part)) * 0x9E3779B97F4A7C15u ^ hash >> 29;
  const auto [first, last] = state_ids_.equal_range(hash);
  for (auto id = first; id != last; ++id) {
    const State& known = states_[static_cast<std::size_t>(id->second)];
    if (known.accepts == found.accepts && known.places == found.places) return id->second;
  }
  const int id = add(std::move(found));
  state_ids_.emplace(hash, id);
  return id;
}

int Automaton::add(State state) {
  states_.push_back(std::move(state));
  table_.resize(table_.size() + n_classes_, kUnknown);
  return n_states() - 1;
}

}  // namespace r1
