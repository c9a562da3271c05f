// pattern.h: the part of JSON Schema's regular expressions (ECMA 262) that is a regular language without look-around:
// characters, ., classes, \d \w \s and their opposites, groups, |, ?, *, +, {n}, {n,}, {n,m}, ^ at the beginning and $
// at the end. Anything else is an Error that names it.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/json_parts.h"

namespace r1 {

// Strings in quotes in which the pattern is found, anywhere unless it is anchored.
Result<GrammarBuilder::Part> pattern_string(std::string_view pattern, GrammarBuilder& builder, JsonParts& json);

}  // namespace r1
