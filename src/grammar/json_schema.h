// json_schema.h: a JSON Schema (draft 2020-12) to a grammar of the JSON texts that satisfy it.
//
// Understood: type (one or several), enum, const, anyOf, $ref to "#" and to #/$defs/… or #/definitions/…, allOf of one,
// true; of objects properties, required, additionalProperties; of arrays items, minItems, maxItems; of strings
// minLength, maxLength, pattern (grammar/pattern.h). Annotations (title, description, default, examples, $comment, …)
// are passed over. Any other keyword is an Error that names it and where it stands.
//
// What is accepted satisfies the schema; not all that satisfies it is accepted:
// 1. Properties come in the order of the schema, undeclared ones behind them. Without additionalProperties an object
//    that declares properties has no others; one that declares none is free.
// 2. Keys of undeclared properties hold no escapes, so that none can be a declared one in disguise.
// 3. Numbers and white space are those of grammar/json_parts.h.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "grammar/json_parts.h"

namespace r1 {

// `path` names the schema in errors: "response_format.json_schema.schema". Errors: kInvalidInput for what is no schema
// or can't be satisfied, kUnsupported, and kOutOfResource for one that is too large.
Result<GrammarBuilder::Part> json_schema_part(const OrderedJson& schema, const std::string& path,
                                              GrammarBuilder& builder, JsonParts& json);

// The same as a whole grammar; and that of any JSON object.
Result<Grammar> json_schema_grammar(const OrderedJson& schema, const std::string& path);
Result<Grammar> json_object_grammar();

}  // namespace r1
