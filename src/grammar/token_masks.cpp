// token_masks.cpp: the walk, and when to forget.
#include "grammar/token_masks.h"

namespace r1 {
namespace {

constexpr int kStatesKept = 1 << 14;
constexpr std::size_t kMaskBytesKept = 8 << 20;

}  // namespace

TokenMasks::TokenMasks(Grammar grammar, std::shared_ptr<const TokenTrie> trie)
    : automaton_(std::move(grammar)), trie_(std::move(trie)), path_(static_cast<std::size_t>(trie_->max_depth()) + 1) {}

void TokenMasks::tidy() {
  const std::size_t mask_bytes = static_cast<std::size_t>(trie_->vocab_size()) / 8 + 1;
  const bool has_many_states = automaton_.n_states() > kStatesKept;
  if (has_many_states || masks_.size() * mask_bytes > kMaskBytesKept) masks_.clear();
  if (!has_many_states) return;
  automaton_.forget();
  ++epoch_;
}

const TokenMasks::Mask& TokenMasks::mask_of(int state) {
  const auto known = masks_.find(state);
  return known != masks_.end() ? known->second : masks_.emplace(state, walk(state)).first->second;
}

TokenMasks::Mask TokenMasks::walk(int state) {
  Mask mask;
  mask.bits.assign((static_cast<std::size_t>(trie_->vocab_size()) + 63) / 64, 0);
  const auto allow = [&](int id) {
    mask.bits[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (id % 64);
    mask.any = true;
  };
  path_[0] = state;
  for (int i = 0, n = trie_->n_nodes(); i < n;) {
    const TokenTrie::Node& node = trie_->node(i);
    const int next = automaton_.next(path_[node.depth - 1u], node.byte);
    if (next == Automaton::kDead) {
      i = node.subtree_end;
      continue;
    }
    path_[node.depth] = next;
    for (const int id : trie_->ids(i)) allow(id);
    ++i;
  }
  if (automaton_.accepts(state))
    for (const int id : trie_->end_ids()) allow(id);
  return mask;
}

void GrammarMatcher::find_place() {
  if (epoch_ == masks_->epoch()) return;
  epoch_ = masks_->epoch();
  state_ = masks_->automaton().begin();
  for (const char c : text_) state_ = masks_->automaton().next(state_, static_cast<std::uint8_t>(c));
}

const TokenMasks::Mask& GrammarMatcher::mask() {
  masks_->tidy();
  find_place();
  return masks_->mask_of(state_);
}

bool GrammarMatcher::take(std::string_view bytes) {
  find_place();
  int state = state_;
  for (const char c : bytes) {
    state = masks_->automaton().next(state, static_cast<std::uint8_t>(c));
    if (state == Automaton::kDead) return false;
  }
  state_ = state;
  text_ += bytes;
  return true;
}

bool GrammarMatcher::is_complete() {
  find_place();
  return masks_->automaton().accepts(state_);
}

}  // namespace r1
