// token_rules.cpp: classes of characters, and runs of one class.
#include "train/token_rules.h"

#include <algorithm>
#include <cstdint>

#include "text/utf8.h"

namespace r1 {
namespace {

enum class Class { kLetter, kChinese, kLineFeed, kAlone };

// Scripts that our texts are written in; what other scripts write is spelt in bytes, which needs no class.
Class class_of(std::uint32_t c) {
  if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return Class::kLetter;
  if (c >= 0xC0 && c <= 0x24F && c != 0xD7 && c != 0xF7) return Class::kLetter;  // Latin with accents, but × and ÷
  // The characters DeepSeek-V3's pre-tokenizer keeps together: CJK ideographs, hiragana and katakana.
  if ((c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF)) return Class::kChinese;
  return c == '\n' ? Class::kLineFeed : Class::kAlone;
}

// Bytes of the run of `wanted` that the text begins with; 0: it begins with something else.
std::size_t run_bytes(std::string_view text, Class wanted) {
  std::size_t n_bytes = 0;
  while (n_bytes < text.size()) {
    const Utf8Unit character = first_utf8_unit(text.substr(n_bytes));
    if (class_of(character.code_point) != wanted) break;
    n_bytes += static_cast<std::size_t>(character.n_bytes);
  }
  return n_bytes;
}

std::size_t unit_bytes(std::string_view text) {
  if (text[0] == ' ') return 1 + run_bytes(text.substr(1), Class::kLetter);
  const Utf8Unit character = first_utf8_unit(text);
  const Class first = class_of(character.code_point);
  return first == Class::kAlone ? static_cast<std::size_t>(character.n_bytes) : run_bytes(text, first);
}

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xC0) == 0x80; }

}  // namespace

void split_units(std::string_view piece, FunctionRef<void(std::string_view unit)> take) {
  while (!piece.empty()) {
    const std::size_t n_bytes = unit_bytes(piece);
    take(piece.substr(0, n_bytes));
    piece.remove_prefix(n_bytes);
  }
}

bool is_within_or_whole_characters(std::string_view bytes) {
  if (well_formed_prefix(bytes) == bytes.size()) return true;
  // Not whole, so within one: after the first byte, nothing may begin another character.
  return std::all_of(bytes.begin() + 1, bytes.end(), is_continuation);
}

}  // namespace r1
