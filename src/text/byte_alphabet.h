// byte_alphabet.h: GPT-2's way to spell any bytes as printable characters, in which vocabularies are written.
//
// Printable Latin-1 bytes stand for themselves; the other 68 take the code points from U+0100 in order: a space is Ġ
// (U+0120), a line feed Ċ (U+010A).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace r1 {

// The bytes a spelling stands for; nothing if a character of it is not in the alphabet.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

std::string spelling_of_bytes(std::string_view bytes);

}  // namespace r1
