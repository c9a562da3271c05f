// byte_alphabet.cpp: the table is computed once, in the order GPT-2's encoder.py builds it.
#include "text/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "text/utf8.h"

namespace r1 {
namespace {

constexpr int kFirstShifted = 256, kSpellings = 256 + 68;

struct Alphabet {
  std::array<std::uint16_t, 256> code_point{};     // by byte
  std::array<std::int16_t, kSpellings> byte_of{};  // by code point; -1: not in the alphabet
};

constexpr bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (std::int16_t& byte : alphabet.byte_of) byte = -1;
  int next_shifted = kFirstShifted;
  for (int byte = 0; byte < 256; ++byte) {
    const int code_point = stands_for_itself(byte) ? byte : next_shifted++;
    alphabet.code_point[static_cast<std::size_t>(byte)] = static_cast<std::uint16_t>(code_point);
    alphabet.byte_of[static_cast<std::size_t>(code_point)] = static_cast<std::int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();
static_assert(kAlphabet.code_point[' '] == 0x120 && kAlphabet.code_point['\n'] == 0x10A);

}  // namespace

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  while (!spelling.empty()) {
    const Utf8Unit unit = first_utf8_unit(spelling);
    if (unit.kind != Utf8Unit::Kind::kCharacter || unit.code_point >= kSpellings) return std::nullopt;
    const int byte = kAlphabet.byte_of[unit.code_point];
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    spelling.remove_prefix(static_cast<std::size_t>(unit.n_bytes));
  }
  return bytes;
}

std::string spelling_of_bytes(std::string_view bytes) {
  std::string spelling;
  for (const char c : bytes) {
    const unsigned code_point = kAlphabet.code_point[static_cast<std::uint8_t>(c)];
    if (code_point < 0x80) {
      spelling.push_back(static_cast<char>(code_point));
    } else {  // all others lie below U+0800: two bytes
      spelling.push_back(static_cast<char>(0xC0 | code_point >> 6));
      spelling.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
    }
  }
  return spelling;
}

}  // namespace r1
