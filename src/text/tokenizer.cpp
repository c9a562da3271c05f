// tokenizer.cpp: well-formed runs of the text are composed, cut and merged; everything else is bytes.
#include "text/tokenizer.h"

#include <algorithm>

#include <fmt/format.h>

#include "text/bpe.h"
#include "text/byte_alphabet.h"
#include "text/hf_vocabulary.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/utf8.h"

namespace r1 {
namespace {

// The largest vocabularies have a quarter of this. An id is an index: a wild one in a file must not become memory.
constexpr std::size_t kTokensMax = std::size_t{1} << 20;

Error bad_vocabulary(std::string message) { return {ErrorCode::kInvalidInput, "vocabulary: " + std::move(message)}; }

// An added token that marks something, as opposed to one that only extends the vocabulary: "<think>" or "[PAD7]", not
// the "ü" of DeepSeek's first vocabularies or the runs of spaces of others.
bool is_marker(TokenKind kind, std::string_view token) {
  if (kind != TokenKind::kUserDefined || token.empty()) return kind == TokenKind::kControl;
  return (token.front() == '<' && token.back() == '>') || (token.front() == '[' && token.back() == ']');
}

// "<0xE4>" of kByte tokens; -1: not of that form.
int byte_of_name(std::string_view name) {
  if (name.size() != 6 || !name.starts_with("<0x") || name.back() != '>') return -1;
  int byte = 0;
  for (const char c : name.substr(3, 2)) {
    const std::size_t digit = std::string_view("0123456789ABCDEF").find(c);
    if (digit == std::string_view::npos) return -1;
    byte = byte * 16 + static_cast<int>(digit);
  }
  return byte;
}

Status check_shape(const Vocabulary& vocabulary) {
  const std::size_t n = vocabulary.tokens.size();
  if (n == 0) return bad_vocabulary("no tokens");
  if (n > kTokensMax) return bad_vocabulary(fmt::format("{} tokens, at most {} are read", n, kTokensMax));
  if (vocabulary.kinds.size() != n)
    return bad_vocabulary(fmt::format("{} tokens but {} kinds", n, vocabulary.kinds.size()));
  const auto check_id = [n](std::string_view name, int id) -> Status {
    if (id >= -1 && id < static_cast<int>(n)) return {};
    return bad_vocabulary(fmt::format("{} token id {} is not among the {} tokens", name, id, n));
  };
  R1_TRY_STATUS(check_id("BOS", vocabulary.bos_id));
  R1_TRY_STATUS(check_id("EOS", vocabulary.eos_id));
  R1_TRY_STATUS(check_id("padding", vocabulary.pad_id));
  for (const int id : vocabulary.end_ids) R1_TRY_STATUS(check_id("end", id));
  return {};
}

// Spellings become the bytes they stand for. A token that is not spelt in the byte alphabet stands for itself.
void spell_out(Vocabulary& vocabulary) {
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    std::string& token = vocabulary.tokens[id];
    TokenKind& kind = vocabulary.kinds[id];
    // Thinking is shown and split off as text, so these two are text whatever a converter called them.
    if (token == "<think>" || token == "</think>") kind = TokenKind::kUserDefined;
    if (kind == TokenKind::kNormal) {
      if (std::optional<std::string> bytes = bytes_of_spelling(token)) token = *std::move(bytes);
    } else if (kind == TokenKind::kByte) {
      if (const int byte = byte_of_name(token); byte >= 0) token.assign(1, static_cast<char>(byte));
    } else if (kind == TokenKind::kUnused) {
      token.clear();
    }
  }
}

// Which token stands for a single byte; -1: none.
std::array<int, 256> find_byte_ids(const Vocabulary& vocabulary) {
  std::array<int, 256> ids;
  ids.fill(-1);
  for (const TokenKind kind : {TokenKind::kNormal, TokenKind::kByte}) {
    for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
      if (vocabulary.kinds[id] != kind || vocabulary.tokens[id].size() != 1) continue;
      int& slot = ids[static_cast<std::uint8_t>(vocabulary.tokens[id][0])];
      if (slot < 0) slot = static_cast<int>(id);
    }
  }
  return ids;
}

// What text may be encoded to, by id; the rest empty.
std::vector<std::string> tokens_of_text(const Vocabulary& vocabulary) {
  std::vector<std::string> tokens(vocabulary.tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (vocabulary.kinds[id] == TokenKind::kNormal) tokens[id] = vocabulary.tokens[id];
  }
  return tokens;
}

Result<Bpe::Merge> read_merge(std::string_view text, std::size_t rank, const TokenTable& table) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
    return bad_vocabulary(fmt::format("merge {} is not two tokens: '{}'", rank, text));
  }
  const std::string_view spelt[] = {text.substr(0, space), text.substr(space + 1)};
  std::string bytes[2];
  int ids[2];
  for (int side = 0; side < 2; ++side) {
    bytes[side] = bytes_of_spelling(spelt[side]).value_or(std::string(spelt[side]));
    ids[side] = table.find(bytes[side]);
    if (ids[side] < 0)
      return bad_vocabulary(fmt::format("merge {} '{}' joins an unknown token '{}'", rank, text, spelt[side]));
  }
  const int result = table.find(bytes[0] + bytes[1]);
  if (result < 0) return bad_vocabulary(fmt::format("merge {} '{}' makes an unknown token", rank, text));
  return Bpe::Merge{ids[0], ids[1], result};
}

// Added tokens as they are found in a text: whole, the longest first.
class NameFinder {
 public:
  NameFinder(const std::vector<std::string>& tokens, std::vector<int> ids) : tokens_(&tokens), sorted_(std::move(ids)) {
    std::stable_sort(sorted_.begin(), sorted_.end(), [this](int a, int b) { return token(a) < token(b); });
  }

  bool empty() const { return sorted_.empty(); }
  const std::string& token(int id) const { return (*tokens_)[static_cast<std::size_t>(id)]; }

  // The longest name the text begins with; -1: none.
  int longest_at(std::string_view text) const {
    int longest = -1;
    auto first = sorted_.begin(), last = sorted_.end();  // the names that begin like the text, up to depth
    for (std::size_t depth = 0; depth < text.size() && first != last; ++depth) {
      const auto byte = static_cast<std::uint8_t>(text[depth]);
      const auto byte_at = [&](int id) {  // -1 sorts a name that ends here first, as in sorted_
        return depth < token(id).size() ? static_cast<int>(static_cast<std::uint8_t>(token(id)[depth])) : -1;
      };
      first = std::partition_point(first, last, [&](int id) { return byte_at(id) < byte; });
      last = std::partition_point(first, last, [&](int id) { return byte_at(id) == byte; });
      if (first != last && token(*first).size() == depth + 1) longest = *first;
    }
    return longest;
  }

 private:
  const std::vector<std::string>* tokens_;
  std::vector<int> sorted_;  // by text
};

// Ids of added tokens: all of them, or those that are text to everybody.
enum class AddedTokens { kAll, kText };

std::vector<int> added_tokens(const Vocabulary& vocabulary, AddedTokens which) {
  std::vector<int> ids;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const TokenKind kind = vocabulary.kinds[id];
    if (vocabulary.tokens[id].empty() || (kind != TokenKind::kControl && kind != TokenKind::kUserDefined)) continue;
    if (which == AddedTokens::kAll || !is_marker(kind, vocabulary.tokens[id])) ids.push_back(static_cast<int>(id));
  }
  return ids;
}

}  // namespace

struct Tokenizer::Impl {
  Impl(Vocabulary from, Pretokenizer cutter)
      : vocabulary(std::move(from)),
        text_tokens(tokens_of_text(vocabulary)),
        table(text_tokens),
        pretokenizer(std::move(cutter)),
        names(vocabulary.tokens, added_tokens(vocabulary, AddedTokens::kAll)),
        text_names(vocabulary.tokens, added_tokens(vocabulary, AddedTokens::kText)) {}

  const std::string& token(int id) const { return vocabulary.tokens[static_cast<std::size_t>(id)]; }
  bool has(int id) const { return id >= 0 && static_cast<std::size_t>(id) < vocabulary.tokens.size(); }

  std::vector<int> encode_around(const NameFinder& added, std::string_view text) const;
  void encode_plain(std::string_view text, std::vector<int>& ids) const;
  void encode_well_formed(std::string_view text, std::vector<int>& ids) const;

  Vocabulary vocabulary;  // spelt out: tokens are bytes
  std::vector<std::string> text_tokens;
  TokenTable table;  // of text_tokens
  Pretokenizer pretokenizer;
  NameFinder names, text_names;
  std::optional<Bpe> bpe;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::from_vocabulary(Vocabulary vocabulary) {
  R1_TRY_STATUS(check_shape(vocabulary));
  R1_TRY(Pretokenizer pretokenizer, Pretokenizer::make(vocabulary.pre_tokenizer));
  spell_out(vocabulary);
  const std::vector<std::string> merge_texts = std::exchange(vocabulary.merges, {});
  auto impl = std::make_unique<Impl>(std::move(vocabulary), std::move(pretokenizer));
  std::vector<Bpe::Merge> merges;
  merges.reserve(merge_texts.size());
  for (const std::string& text : merge_texts) {
    R1_TRY(const Bpe::Merge merge, read_merge(text, merges.size(), impl->table));
    merges.push_back(merge);
  }
  const Vocabulary& v = impl->vocabulary;
  impl->bpe.emplace(impl->table, static_cast<int>(v.tokens.size()), find_byte_ids(v), merges, v.ignore_merges);
  return Tokenizer(std::move(impl));
}

Result<Tokenizer> Tokenizer::from_hf_folder(const std::string& folder) {
  R1_TRY(Vocabulary vocabulary, vocabulary_from_hf_folder(folder));
  return from_vocabulary(std::move(vocabulary));
}

std::vector<int> Tokenizer::encode(std::string_view text) const {
  return impl_->encode_around(impl_->text_names, text);
}

std::vector<int> Tokenizer::encode_with_control_tokens(std::string_view text) const {
  return impl_->encode_around(impl_->names, text);
}

std::vector<int> Tokenizer::Impl::encode_around(const NameFinder& added, std::string_view text) const {
  std::vector<int> ids;
  ids.reserve(text.size() / 3);
  std::size_t plain_begin = 0;
  for (std::size_t i = 0; i < text.size() && !added.empty();) {
    const int name = added.longest_at(text.substr(i));
    if (name < 0) {
      ++i;
      continue;
    }
    encode_plain(text.substr(plain_begin, i - plain_begin), ids);
    ids.push_back(name);
    i += token(name).size();
    plain_begin = i;
  }
  encode_plain(text.substr(plain_begin), ids);
  return ids;
}

void Tokenizer::Impl::encode_plain(std::string_view text, std::vector<int>& ids) const {
  while (!text.empty()) {
    const std::size_t n_well_formed = well_formed_prefix(text);
    encode_well_formed(text.substr(0, n_well_formed), ids);
    text.remove_prefix(n_well_formed);
    if (text.empty()) break;
    const auto n_broken = static_cast<std::size_t>(first_utf8_unit(text).n_bytes);
    bpe->encode(text.substr(0, n_broken), ids);
    text.remove_prefix(n_broken);
  }
}

void Tokenizer::Impl::encode_well_formed(std::string_view text, std::vector<int>& ids) const {
  std::string storage;
  if (vocabulary.nfc) text = compose_nfc(text, storage);
  pretokenizer.split(text, [&](std::string_view piece) { bpe->encode(piece, ids); });
}

std::string Tokenizer::decode(std::span<const int> ids, ControlTokens control) const {
  std::string text;
  for (const int id : ids) {
    if (control == ControlTokens::kSkip && kind(id) == TokenKind::kControl) continue;
    text += token_bytes(id);
  }
  return text;
}

std::string_view Tokenizer::token_bytes(int id) const {
  return impl_->has(id) ? std::string_view(impl_->token(id)) : std::string_view();
}

std::optional<int> Tokenizer::find(std::string_view token) const {
  const int id = impl_->names.longest_at(token);
  if (id < 0 || impl_->token(id) != token) return std::nullopt;
  return id;
}

TokenKind Tokenizer::kind(int id) const {
  return impl_->has(id) ? impl_->vocabulary.kinds[static_cast<std::size_t>(id)] : TokenKind::kUnused;
}

bool Tokenizer::ends_answer(int id) const {
  return std::find(end_ids().begin(), end_ids().end(), id) != end_ids().end();
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->vocabulary.tokens.size()); }
int Tokenizer::bos_id() const { return impl_->vocabulary.bos_id; }
int Tokenizer::eos_id() const { return impl_->vocabulary.eos_id; }
bool Tokenizer::adds_bos() const { return impl_->vocabulary.add_bos && impl_->vocabulary.bos_id >= 0; }
std::span<const int> Tokenizer::end_ids() const { return impl_->vocabulary.end_ids; }

}  // namespace r1
