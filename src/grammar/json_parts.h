// json_parts.h: the pieces of JSON's grammar (RFC 8259) that schemas are made of.
//
// Every text accepted is JSON; not all JSON is accepted, where a model could use the freedom only to go astray: white
// space is a space, or a line break and its indentation, not without end; numbers have at most 16 digits on each side
// of the point and two in the exponent, so that readers find room for them; lone surrogates are never escaped.
#pragma once

#include <functional>
#include <string_view>

#include "grammar/char_set.h"
#include "grammar/grammar.h"

namespace r1 {

class JsonParts {
 public:
  using Part = GrammarBuilder::Part;

  explicit JsonParts(GrammarBuilder& builder);

  Part space() { return builder_.call(space_); }  // where JSON may have some: none, a space, or a new line
  Part integer() { return builder_.call(integer_); }
  Part number() { return builder_.call(number_); }
  Part string(int min_length, int max_length);  // in quotes; lengths in characters, max -1: no limit
  // One character of the set inside quotes: as itself, or escaped where it must be.
  Part character(const CharSet& set);
  Part any_value() { return builder_.call(value_); }
  Part any_object() { return builder_.call(object_); }
  Part any_array() { return builder_.call(array_); }

  // open item, item, … close, with white space between; min to max items, -1: no limit. `item` is called for each copy.
  Part list(std::string_view open, const std::function<Part()>& item, int min, int max, std::string_view close);
  Part member(Part key, Part value);  // key: value

 private:
  void define_space();
  void define_character();
  void define_numbers();
  void define_values();
  Part digits(int min, int max);

  GrammarBuilder& builder_;
  int space_, character_, integer_, number_, value_, object_, array_;  // rules
};

}  // namespace r1
