// token_rules.h: what a token that training finds may hold, so that the model meets each digit and sign by itself.
//
// 1. A digit, an operator or any other sign is one token, alone.
// 2. Letters join letters, Chinese characters and kana join each other; never one the other.
// 3. A word may have one space before it. Line feeds join line feeds.
// 4. A token holds whole characters, or bytes of one character.
// So no token crosses a border between two units, and a text has the same tokens whether it is cut into units or only
// into the larger pieces of a pre-tokenizer (DeepSeek-V3's, which takes three digits together): no merge spans them.
#pragma once

#include <string_view>

#include "base/function_ref.h"

namespace r1 {

// Calls take(unit) for every unit of a pre-tokenizer's piece, in order; together they are the piece, which must be
// well-formed UTF-8.
void split_units(std::string_view piece, FunctionRef<void(std::string_view unit)> take);

// Rule 4.
bool is_within_or_whole_characters(std::string_view bytes);

}  // namespace r1
