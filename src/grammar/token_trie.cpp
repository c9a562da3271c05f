// token_trie.cpp: tokens sorted by their bytes are the trie, depth first.
#include "grammar/token_trie.h"

#include <algorithm>
#include <string>
#include <utility>

#include "grammar/grammar.h"

namespace r1 {
namespace {

constexpr std::size_t kTokenBytesMax = 0xFFFF;

// DeepSeek's first vocabularies have plain text among the added tokens.
bool is_marker(TokenKind kind, std::string_view bytes) {
  return kind == TokenKind::kUserDefined && bytes.size() > 2 && bytes.front() == '<' && bytes.back() == '>';
}

std::size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace

std::string TokenTrie::bytes_of(int id) const {
  const TokenKind kind = tokenizer_->kind(id);
  const std::string_view bytes = tokenizer_->token_bytes(id);
  const bool is_text = kind != TokenKind::kControl && kind != TokenKind::kUnused && !tokenizer_->ends_answer(id);
  if (!is_text || bytes.size() >= kTokenBytesMax || bytes.find('\xFF') != std::string_view::npos) return {};
  return is_marker(kind, bytes) ? '\xFF' + std::string(bytes) : std::string(bytes);
}

TokenTrie::TokenTrie(const Tokenizer& tokenizer)
    : tokenizer_(&tokenizer),
      vocab_size_(tokenizer.vocab_size()),
      end_ids_(tokenizer.end_ids().begin(), tokenizer.end_ids().end()) {
  std::vector<std::pair<std::string, int>> tokens;
  for (int id = 0; id < vocab_size_; ++id) {
    std::string bytes = bytes_of(id);
    if (!bytes.empty()) tokens.emplace_back(std::move(bytes), id);
  }
  std::sort(tokens.begin(), tokens.end());
  std::vector<std::size_t> path;  // the nodes from the root to the last one
  const auto close_to = [&](std::size_t depth) {
    for (; path.size() > depth; path.pop_back())
      nodes_[path.back()].subtree_end = static_cast<std::int32_t>(nodes_.size());
  };
  std::string_view last;
  for (const auto& [bytes, id] : tokens) {
    close_to(common_prefix(last, bytes));
    for (std::size_t depth = path.size(); depth < bytes.size(); ++depth) {
      path.push_back(nodes_.size());
      nodes_.push_back({0, static_cast<std::int32_t>(ids_.size()), static_cast<std::uint16_t>(depth + 1),
                        static_cast<std::uint8_t>(bytes[depth])});
    }
    ids_.push_back(id);
    max_depth_ = std::max(max_depth_, static_cast<int>(bytes.size()));
    last = bytes;
  }
  close_to(0);
  nodes_.push_back({0, static_cast<std::int32_t>(ids_.size()), 0, 0});
}

std::string marker_bytes(std::string_view marker, const Tokenizer& tokenizer) {
  const std::optional<int> id = tokenizer.find(marker);
  const bool is_token = id && is_marker(tokenizer.kind(*id), tokenizer.token_bytes(*id));
  return is_token ? static_cast<char>(Grammar::kMarker) + std::string(marker) : std::string(marker);
}

}  // namespace r1
