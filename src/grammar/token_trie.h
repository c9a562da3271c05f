// token_trie.h: a vocabulary's tokens by their bytes, to be walked with an automaton: what no text can follow is passed
// over with all that begins with it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace r1 {

// Immutable once made: shared by all threads. Left out are control tokens, tokens without bytes, and those with a byte
// 0xFF, which is Grammar::kMarker: added tokens such as <think> stand here as that byte and their name.
class TokenTrie {
 public:
  struct Node {
    std::int32_t subtree_end;  // the node behind all that begin with this one
    std::int32_t first_id;     // its tokens: up to the next node's
    std::uint16_t depth;       // bytes of the path to it, from 1
    std::uint8_t byte;
  };

  explicit TokenTrie(const Tokenizer& tokenizer);

  int vocab_size() const { return vocab_size_; }
  int n_nodes() const { return static_cast<int>(nodes_.size()) - 1; }
  const Node& node(int i) const { return nodes_[static_cast<std::size_t>(i)]; }  // depth first, from 0
  std::span<const int> ids(int i) const {
    const std::int32_t first = node(i).first_id, last = node(i + 1).first_id;
    return std::span(ids_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
  }
  int max_depth() const { return max_depth_; }

  // What the grammar sees of a token; empty for those left out.
  std::string bytes_of(int id) const;
  std::span<const int> end_ids() const { return end_ids_; }

 private:
  const Tokenizer* tokenizer_;
  int vocab_size_, max_depth_ = 0;
  std::vector<int> end_ids_;
  std::vector<Node> nodes_;  // and one behind the last
  std::vector<int> ids_;
};

// A marker as a grammar spells it: as one token where the vocabulary has it, else by its letters.
std::string marker_bytes(std::string_view marker, const Tokenizer& tokenizer);

}  // namespace r1
