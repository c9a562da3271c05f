// utf8.h: where bytes are well-formed UTF-8 and where they are not (The Unicode Standard, table 3-7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace r1 {

struct Utf8Unit {
  enum class Kind {
    kCharacter,  // a whole, well-formed character
    kBroken,     // bytes that no continuation can make a character
    kCut,        // the text ends inside a character
  };
  Kind kind;
  int n_bytes;               // kBroken: the longest part that began like a character, at least 1
  std::uint32_t code_point;  // of a kCharacter
};

// What `text`, which is not empty, begins with.
Utf8Unit first_utf8_unit(std::string_view text);

// Bytes of the longest prefix that is well formed.
std::size_t well_formed_prefix(std::string_view text);

}  // namespace r1
