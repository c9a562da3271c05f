// utf8.cpp: one decoder; everything else asks it.
#include "text/utf8.h"

#include <cstring>

namespace r1 {
namespace {

// Length a lead byte announces and the range its second byte must lie in (that range alone excludes overlong forms,
// surrogates and values above U+10FFFF); length 0: not a lead byte.
struct Lead {
  int length;
  std::uint8_t second_min, second_max;
};

Lead lead_of(std::uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

bool is_ascii_word(const char* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return (word & 0x8080808080808080u) == 0;
}

}  // namespace

Utf8Unit first_utf8_unit(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const Lead lead = lead_of(byte(0));
  if (lead.length == 0) return {Utf8Unit::Kind::kBroken, 1, 0};
  if (lead.length == 1) return {Utf8Unit::Kind::kCharacter, 1, byte(0)};
  std::uint32_t code_point = byte(0) & (0x7Fu >> lead.length);
  for (int i = 1; i < lead.length; ++i) {
    if (static_cast<std::size_t>(i) == text.size()) return {Utf8Unit::Kind::kCut, i, 0};
    const std::uint8_t next = byte(static_cast<std::size_t>(i));
    const std::uint8_t min = i == 1 ? lead.second_min : 0x80, max = i == 1 ? lead.second_max : 0xBF;
    if (next < min || next > max) return {Utf8Unit::Kind::kBroken, i, 0};
    code_point = code_point << 6 | (next & 0x3Fu);
  }
  return {Utf8Unit::Kind::kCharacter, lead.length, code_point};
}

std::size_t well_formed_prefix(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    if (text.size() - i >= sizeof(std::uint64_t) && is_ascii_word(text.data() + i)) {
      i += sizeof(std::uint64_t);
      continue;
    }
    const Utf8Unit unit = first_utf8_unit(text.substr(i));
    if (unit.kind != Utf8Unit::Kind::kCharacter) break;
    i += static_cast<std::size_t>(unit.n_bytes);
  }
  return i;
}

}  // namespace r1
