// json_schema_test.cpp: what a schema's grammar accepts parses and satisfies the schema, by a validator written here;
// texts by hand for both sides of each keyword; and every refusal names its keyword.
#include "grammar/json_schema.h"

#include <gtest/gtest.h>

#include <regex>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "grammar/accepts_for_tests.h"
#include "grammar/automaton.h"
#include "text/utf8.h"

namespace r1 {
namespace {

OrderedJson ordered(std::string_view text) { return OrderedJson::parse(text); }

Automaton automaton_of(const OrderedJson& schema) {
  auto grammar = json_schema_grammar(schema, "schema");
  EXPECT_TRUE(grammar.ok()) << schema.dump() << ": " << grammar.error().message;
  return Automaton(std::move(*grammar));
}

// ---- a validator ----------------------------------------------------------------------------------------------------

int n_characters(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool satisfies(const Json& value, const OrderedJson& schema, const OrderedJson& root);

bool object_satisfies(const Json& value, const OrderedJson& schema, const OrderedJson& root) {
  for (const OrderedJson& name : schema.value("required", OrderedJson::array()))
    if (!value.contains(name.get<std::string>())) return false;
  const OrderedJson properties = schema.value("properties", OrderedJson::object());
  for (const auto& [key, child] : value.items()) {
    if (properties.contains(key)) {
      if (!satisfies(child, properties[key], root)) return false;
    } else if (schema.contains("additionalProperties")) {
      const OrderedJson& others = schema["additionalProperties"];
      if (others == false || (others.is_object() && !satisfies(child, others, root))) return false;
    }
  }
  return true;
}

bool type_satisfies(const Json& value, const OrderedJson& type) {
  if (type.is_array())
    return std::any_of(type.begin(), type.end(), [&](const auto& t) { return type_satisfies(value, t); });
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  return type == value.type_name();
}

bool satisfies(const Json& value, const OrderedJson& schema, const OrderedJson& root) {
  if (schema.is_boolean()) return schema.get<bool>();
  if (schema.contains("$ref")) {
    const std::string ref = schema["$ref"];
    return satisfies(value, ref == "#" ? root : root.at(OrderedJson::json_pointer(ref.substr(1))), root);
  }
  if (schema.contains("type") && !type_satisfies(value, schema["type"])) return false;
  const auto equals = [&](const OrderedJson& other) { return Json::parse(other.dump()) == value; };
  if (schema.contains("enum") && std::none_of(schema["enum"].begin(), schema["enum"].end(), equals)) return false;
  if (schema.contains("const") && !equals(schema["const"])) return false;
  const auto any = [&](const OrderedJson& one) { return satisfies(value, one, root); };
  if (schema.contains("anyOf") && std::none_of(schema["anyOf"].begin(), schema["anyOf"].end(), any)) return false;
  if (value.is_object()) return object_satisfies(value, schema, root);
  const auto within = [&](int n, const char* min, const char* max) {
    return n >= schema.value(min, 0) && n <= schema.value(max, 1 << 30);
  };
  if (value.is_string() && schema.contains("pattern") &&
      !std::regex_search(value.get<std::string>(), std::regex(schema["pattern"].get<std::string>())))
    return false;
  if (value.is_string()) return within(n_characters(value.get<std::string>()), "minLength", "maxLength");
  if (!value.is_array()) return true;
  if (schema.contains("items"))
    for (const Json& item : value)
      if (!satisfies(item, schema["items"], root)) return false;
  return within(static_cast<int>(value.size()), "minItems", "maxItems");
}

// ---- random texts of a grammar --------------------------------------------------------------------------------------

// Bytes drawn among those that keep the text alive; past a length, those that lead to an end.
std::string random_text(Automaton& automaton, Rng& rng) {
  std::string text;
  for (int state = automaton.begin(); text.size() < 4000;) {
    if (automaton.accepts(state) && rng.below(4) == 0) return text;
    std::string live;
    for (int byte = 0; byte < 256; ++byte)
      if (automaton.next(state, static_cast<std::uint8_t>(byte)) != Automaton::kDead)
        live.push_back(static_cast<char>(byte));
    if (live.empty()) return text;
    char c = live[rng.below(live.size())];
    // White space and ends of strings would else be lost among the letters.
    const bool ends_soon = text.size() > 120;
    for (const char wanted : std::string_view(ends_soon ? "}]\"" : "\"")) {
      if (live.find(wanted) == std::string::npos || (!ends_soon && rng.below(6) != 0)) continue;
      c = wanted;
      break;
    }
    text.push_back(c);
    state = automaton.next(state, static_cast<std::uint8_t>(c));
  }
  return "";
}

OrderedJson random_schema(Rng& rng, int depth) {
  const auto some = [&](std::uint64_t n) { return static_cast<int>(rng.below(n)); };
  switch (depth > 3 ? rng.below(6) : rng.below(10)) {
    case 0:
      return ordered(R"({"type": "integer"})");
    case 1:
      return ordered(R"({"type": "number"})");
    case 2:
      return ordered(R"({"type": ["boolean", "null"]})");
    case 3:
      return {{"type", "string"}, {"minLength", some(3)}, {"maxLength", 3 + some(5)}};
    case 4:
      return ordered(R"j({"type": "string", "pattern": "^(ab|[c-e]+\\d{2,3})x?$"})j");
    case 5:
      return ordered(R"({"enum": ["a", "é\"\\", 1.5, null, {"x": [1, 2]}]})");
    case 6:
      return {{"type", "array"},
              {"items", random_schema(rng, depth + 1)},
              {"minItems", some(3)},
              {"maxItems", 2 + some(3)}};
    case 7:
      return {{"anyOf", {random_schema(rng, depth + 1), random_schema(rng, depth + 1)}}};
    case 8:
      return {{"$ref", "#/$defs/leaf"}};
    default:
      break;
  }
  OrderedJson schema = {{"type", "object"}, {"properties", OrderedJson::object()}, {"required", OrderedJson::array()}};
  for (int i = some(4); i-- > 0;) {
    const std::string name = std::vector<std::string>{"a", "ab", "b\"c", "é", "ééa"}[rng.below(5)];
    schema["properties"][name] = random_schema(rng, depth + 1);
    if (rng.below(2) == 0) schema["required"].push_back(name);
  }
  if (rng.below(2) == 0)
    schema["additionalProperties"] = rng.below(3) == 0 ? random_schema(rng, depth + 1) : OrderedJson(rng.below(2) == 0);
  return schema;
}

TEST(JsonSchema, EveryTextOfARandomSchemaSatisfiesIt) {
  Rng rng(7, 1);
  int n_checked = 0, n_endless = 0;
  for (int round = 0; round < 150; ++round) {
    OrderedJson schema = random_schema(rng, 0);
    schema["$defs"]["leaf"] = ordered(R"({"type": ["string", "integer"], "maxLength": 2})");
    Automaton automaton = automaton_of(schema);
    for (int i = 0; i < 12; ++i) {
      const std::string text = random_text(automaton, rng);
      if (text.empty() && ++n_endless > 0) continue;
      const Json value = Json::parse(text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << text << "\n" << schema.dump();
      ASSERT_TRUE(satisfies(value, schema, schema)) << text << "\n" << schema.dump();
      ASSERT_EQ(well_formed_prefix(text), text.size());
      ++n_checked;
    }
  }
  EXPECT_GT(n_checked, 1500);
  EXPECT_LT(n_endless, 100);
}

// Compact, and as pretty as libraries print it.
TEST(JsonSchema, WhatLibrariesPrintIsAccepted) {
  Automaton any = automaton_of(true);
  Automaton object(*json_object_grammar());
  const Json value = Json::parse(
      R"({"a": [1, -2.5, 1e9, {"b": {}, "c": []}], "é": "\u00e9\n\ud83d\ude00", "d": [true, false, null]})");
  for (const std::string& text :
       {value.dump(), value.dump(2), value.dump(4), value.dump(1, '\t'), value.dump(-1, ' ', true)}) {
    EXPECT_TRUE(accepts(any, text)) << text;
    EXPECT_TRUE(accepts(object, text)) << text;
  }
  EXPECT_TRUE(accepts(any, "[[]]"));
  EXPECT_FALSE(accepts(object, "[[]]"));
}

struct Case {
  const char* schema;
  std::vector<std::string> accepted, refused;
};

TEST(JsonSchema, BothSidesOfEachKeyword) {
  const std::vector<Case> cases = {
      {R"({"type": "integer"})", {"0", "-7", "12345"}, {"01", "1.0", "--1", "", "1e3", "+1"}},
      {R"({"type": "number"})", {"0", "-0.5", "1e10", "1E-7"}, {".5", "1.", "1e", "1e999", "NaN"}},
      {R"({"type": "boolean"})", {"true", "false"}, {"True", "null", "tru"}},
      {R"({"type": "null"})", {"null"}, {"nul", "0"}},
      {R"({"type": "string", "minLength": 2, "maxLength": 3})",
       {R"("ab")", R"("abc")", R"("éé")", R"("\n\u00e9")", R"("😀\ud83d\ude00")"},
       {R"("a")", R"("abcd")", R"("é")", R"("\n")", R"("ab)", "\"a\nb\"", R"("\ud83dx")", "\"\xFF\xFF\""}},
      {R"({"const": {"a": [1, "x"]}})", {R"({"a":[1,"x"]})"}, {R"({"a": [1]})", "1"}},
      {R"({"type": "string", "enum": ["red", 3]})", {R"("red")"}, {"3", R"("re")"}},
      {R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2})",
       {"[1]", "[1,2]", "[1, 2]", "[\n  1,\n  2\n]"},
       {"[]", "[1,2,3]", "[1,]", "[,1]", "[1 2]", "[\"1\"]"}},
      {R"({"type": "array", "maxItems": 0})", {"[]", "[ ]"}, {"[1]"}},
      {R"({"properties": {"b": {"type": "integer"}, "a": {"type": "integer"}}, "required": ["a"]})",
       {R"({"b":1,"a":2})", R"({"a":2})", "{\n  \"b\": 1,\n  \"a\": 2\n}"},
       {"{}", R"({"b":1})", R"({"a":2,"b":1})", R"({"a":2,"c":1})", R"({"a":2,})", R"({"a":"2"})"}},
      {R"({"properties": {"ab": {"type": "integer"}}, "additionalProperties": {"type": "null"}})",
       {"{}", R"({"ab":1})", R"({"ab":1,"a":null,"abc":null})", R"({"é":null})", R"({"":null})"},
       {R"({"ab":null})", R"({"a":1})", R"({"a":null,"ab":1})", R"({"\u0061b":null})"}},
      {R"({"type": "object"})", {"{}", R"({"x":[{}]})"}, {"[]", R"({"x"})"}},
      {R"({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]})",
       {"1", "[1,[2,[]]]"},
       {"[null]", "\"\""}},
      {R"({"$ref": "#/$defs/t", "$defs": {"t": {"type": ["null", "object"], "properties": {"next": {"$ref": "#/$defs/t"}}}}})",
       {"null", R"({"next":{"next":null}})", "{}"},
       {R"({"next":1})"}},
      {R"({"allOf": [{"type": "null"}], "title": "nothing"})", {"null"}, {"1"}},
      {R"j({"pattern": "^a.c$"})j",
       {R"("abc")", R"("a\"c")", R"("a\\c")", R"("aéc")"},
       {R"("ac")", R"("a\nc")", R"("abcd")"}},
      {R"j({"pattern": "[0-9]{2}"})j", {R"("12")", R"("x12y")", R"("123")"}, {R"("1x2")", R"("")"}},
      {R"j({"pattern": "^(?:\\w+-)?[^\\s\\]]*\\x41\\u0042$"})j", {R"("AB")", R"("x_1-zAB")"}, {R"("]AB")", R"("AB ")"}},
  };
  for (const Case& one : cases) {
    Automaton automaton = automaton_of(ordered(one.schema));
    for (const std::string& text : one.accepted) EXPECT_TRUE(accepts(automaton, text)) << one.schema << " " << text;
    for (const std::string& text : one.refused) EXPECT_FALSE(accepts(automaton, text)) << one.schema << " " << text;
  }
}

// Every other character, so that none joins another in a range.
TEST(JsonSchema, AClassOfTwentyThousandSeparateCharactersIsThose) {
  const auto quoted = [](int code) {
    const auto byte = [&](int lead, int shift) { return static_cast<char>(lead | (code >> shift & 0x3F)); };
    return std::string{'"', byte(0xE0, 12), byte(0x80, 6), byte(0x80, 0), '"'};
  };
  constexpr int kFirst = 0x1000, kBehind = kFirst + 40'000;
  std::string characters;
  for (int code = kFirst; code < kBehind; code += 2) characters += quoted(code).substr(1, 3);
  for (const bool is_negated : {false, true}) {
    const std::string pattern = fmt::format("^[{}{}]$", is_negated ? "^" : "", characters);
    Automaton automaton = automaton_of({{"type", "string"}, {"pattern", pattern}});
    for (int code = kFirst; code < kBehind; ++code)
      ASSERT_EQ(accepts(automaton, quoted(code)), (code % 2 == 0) != is_negated) << code;
  }
}

// Work that grew with the square of the length took seconds here.
TEST(JsonSchema, APatternMayHaveTenThousandLetters) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text.push_back(static_cast<char>('a' + i % 26));
  Automaton automaton = automaton_of({{"type", "string"}, {"pattern", "^" + text + "$"}});
  EXPECT_TRUE(accepts(automaton, '"' + text + '"'));
  EXPECT_FALSE(accepts(automaton, '"' + text.substr(1) + '"'));
  EXPECT_FALSE(accepts(automaton, '"' + text + "k\""));
}

TEST(JsonSchema, ARefusalNamesTheKeywordAndItsPlace) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"type": "integer", "minimum": 3})", "'schema.minimum' is not supported"},
      {R"({"properties": {"a": {"items": {"type": "strin"}}}})", "'schema.properties.a.items.type' must be object,"},
      {R"({"type": "string", "format": "date"})", "'schema.format' is not supported"},
      {R"({"oneOf": [true]})", "'schema.oneOf' is not supported"},
      {R"({"type": "string", "items": true})", "'schema.items' is not supported"},
      {R"({"anyOf": []})", "'schema.anyOf' must be an array of schemas"},
      {R"({"anyOf": [false]})", "'schema.anyOf[0]' must be a schema"},
      {R"({"anyOf": [true], "type": "null"})", "'schema.type' is not supported beside 'anyOf'"},
      {R"({"enum": []})", "'schema.enum' must be an array"},
      {R"({"enum": [1], "type": "string"})", "'schema.enum' has no value of the type"},
      {R"({"$ref": "http://x"})", "'schema.$ref' must be \"#\" or begin"},
      {R"({"$ref": "#/$defs/a"})", "'schema.$ref' names '#/$defs/a', which is not there"},
      {R"({"$ref": "#"})", "refers to itself"},
      {R"({"properties": {"a": {"$ref": "#"}}, "required": ["a"]})", "nothing finite satisfies it"},
      {R"({"properties": {"a": true}, "required": ["b"]})", "'schema.required' names 'b'"},
      {R"({"type": "string", "minLength": -1})", "'schema.minLength' must be an integer, not negative"},
      {R"({"type": "array", "minItems": 3, "maxItems": 2})", "'schema.minItems' is 3, above 'maxItems', 2"},
      {R"({"type": "string", "maxLength": 900000})", "limit"},
      {R"j({"pattern": "(?=a)"})j", "'schema.pattern': '?=a)' is not understood"},
      {R"j({"pattern": "a\\1"})j", "'schema.pattern': '\\1' is not understood"},
      {R"j({"pattern": "a(b"})j", "'schema.pattern': a group is not closed"},
      {R"j({"pattern": "(((a{1000}){1000}){1000}){1000}"})j", "limit"},
      {R"(3)", "'schema' must be a schema"},
  };
  for (const auto& [schema, message] : cases) {
    const auto grammar = json_schema_grammar(ordered(schema), "schema");
    ASSERT_FALSE(grammar.ok()) << schema;
    EXPECT_NE(grammar.error().message.find(message), std::string::npos) << schema << ": " << grammar.error().message;
  }
}

TEST(JsonSchema, LimitsHold) {
  OrderedJson deep = true;
  for (int i = 0; i < 70; ++i) deep = {{"items", std::move(deep)}};
  EXPECT_EQ(json_schema_grammar(deep, "schema").error().code, ErrorCode::kUnsupported);
  OrderedJson wide = {{"type", "object"}, {"additionalProperties", true}};
  for (int i = 0; i < 999; ++i) wide["properties"][fmt::format("property_{}", i)] = {{"type", "integer"}};
  Automaton automaton = automaton_of(wide);
  EXPECT_TRUE(accepts(automaton, R"({"property_0": 1, "property_1": 2, "property_998": 3, "other": {}})"));
  EXPECT_TRUE(accepts(automaton, R"({"property_998": 3})"));
  EXPECT_FALSE(accepts(automaton, R"({"property_1": 2, "property_0": 1})"));
  EXPECT_FALSE(accepts(automaton, R"({"property_998": 3,})"));
  wide["properties"][std::string(300, 'x')] = true;
  EXPECT_NE(json_schema_grammar(wide, "schema").error().message.find("longer than"), std::string::npos);
  const OrderedJson endless = {{"pattern", std::string((1 << 16) + 1, 'a')}};
  EXPECT_EQ(json_schema_grammar(endless, "schema").error().message, "'schema.pattern': it is longer than 65536 bytes");
  OrderedJson ambiguous;
  for (int i = 0; i < 5; ++i) {
    OrderedJson& way = ambiguous["anyOf"].emplace_back();
    for (int value = 0; value < 1000; ++value) way["enum"].push_back(value);
  }
  const auto refused = json_schema_grammar(ambiguous, "schema");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kOutOfResource);
  EXPECT_EQ(refused.error().message, "'schema': can begin in more than 4096 ways, the limit");
  ambiguous["anyOf"].erase(0);
  EXPECT_TRUE(json_schema_grammar(ambiguous, "schema").ok());
}

}  // namespace
}  // namespace r1
