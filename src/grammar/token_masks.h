// token_masks.h: which tokens may come next in a text of a grammar: a bit for each token of the vocabulary, made by one
// walk of the trie and kept for the next time the text stands there.
//
// Made by any thread; then used by one at a time: the engine's. Answers to the same grammar share one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/token_trie.h"

namespace r1 {

class TokenMasks {
 public:
  struct Mask {
    std::vector<std::uint64_t> bits;  // [vocab_size / 64, rounded up]: bit id % 64 of word id / 64
    bool any = false;
  };

  TokenMasks(Grammar grammar, std::shared_ptr<const TokenTrie> trie);

  Automaton& automaton() { return automaton_; }
  const TokenTrie& trie() const { return *trie_; }
  int epoch() const { return epoch_; }  // changes when states handed out before mean nothing any more

  // Called between tokens, with no state in hand: makes room when there are too many.
  void tidy();
  // Tokens that keep the text alive, and where it accepts, those that end an answer. Valid until the next call.
  const Mask& mask_of(int state);

 private:
  Mask walk(int state);

  Automaton automaton_;
  const std::shared_ptr<const TokenTrie> trie_;
  std::unordered_map<int, Mask> masks_;  // by state
  std::vector<int> path_;                // [max_depth + 1] states along the walk
  int epoch_ = 0;
};

// How far one text has come in a grammar.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<TokenMasks> masks) : masks_(std::move(masks)) {}

  const TokenMasks::Mask& mask();
  // False, and nothing taken, if no text of the grammar goes on so.
  bool take(std::string_view bytes);
  bool is_complete();  // the text so far is one of the grammar

 private:
  void find_place();

  std::shared_ptr<TokenMasks> masks_;
  std::string text_;  // to find the place again in a new epoch
  int state_ = 0, epoch_ = -1;
};

}  // namespace r1
