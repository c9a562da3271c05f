// undeclared_key.h: the key of an object's member that is none of those it declares: the part of a schema's grammar
// behind additionalProperties.
#pragma once

#include <span>
#include <string>

#include "grammar/grammar.h"

namespace r1 {

// In quotes, without escapes.
GrammarBuilder::Part undeclared_key(GrammarBuilder& builder, std::span<const std::string> declared);

}  // namespace r1
