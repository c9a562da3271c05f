// parameter_schemas.h: JSON Schemas (draft 2020-12) of the parameters whose values have structure. They say what the
// readers in parameters.cpp accept; tests/e2e/openapi_test.mjs sends both the same values and compares.
#pragma once

#include <string_view>

namespace r1::schema {

inline constexpr std::string_view kMessages = R"({"type": "array", "minItems": 1, "maxItems": 10000, "items": {
  "type": "object", "required": ["role"],
  "properties": {
    "role": {"type": "string", "enum": ["system", "developer", "user", "assistant", "tool"]},
    "content": {"description": "absent or null in an assistant's message only", "anyOf": [
      {"type": "string"},
      {"type": "array", "items": {"type": "object", "required": ["type", "text"], "properties": {
        "type": {"const": "text"}, "text": {"type": "string"}}}},
      {"type": "null"}]},
    "reasoning_content": {"type": ["string", "null"]},
    "reasoning": {"type": ["string", "null"], "description": "another name of reasoning_content"},
    "prefix": {"type": ["boolean", "null"], "description": "the last message, an assistant's: the answer continues it"},
    "tool_calls": {"type": ["array", "null"], "items": {"type": "object", "required": ["function"], "properties": {
      "function": {"type": "object", "properties": {
        "name": {"type": ["string", "null"]}, "arguments": {"type": ["string", "null"]}}}}}}},
  "if": {"properties": {"role": {"const": "assistant"}}},
  "else": {"required": ["content"], "properties": {"content": {"type": ["string", "array"]}}}}})";

inline constexpr std::string_view kPrompt = R"({"anyOf": [
  {"type": "string"},
  {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
  {"type": "array", "minItems": 1, "maxItems": 1, "items": {"anyOf": [
    {"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}]}}]})";

inline constexpr std::string_view kStop = R"({"anyOf": [
  {"type": "string", "minLength": 1, "maxLength": 1024},
  {"type": "array", "maxItems": 16, "items": {"type": "string", "minLength": 1, "maxLength": 1024}}]})";

inline constexpr std::string_view kSeed = R"({"type": "integer", "minimum": -9223372036854775808,
  "maximum": 18446744073709551615})";

inline constexpr std::string_view kLogitBias = R"({"type": "object", "maxProperties": 1024,
  "propertyNames": {"pattern": "^[0-9]{1,10}$"},
  "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}})";

inline constexpr std::string_view kStreamOptions = R"({"type": "object", "properties": {
  "include_usage": {"type": ["boolean", "null"]}}})";

inline constexpr std::string_view kResponseFormat = R"({"type": "object", "required": ["type"], "properties": {
  "type": {"type": "string", "enum": ["text", "json_object", "json_schema"]}},
  "if": {"properties": {"type": {"const": "json_schema"}}},
  "then": {"required": ["json_schema"], "properties": {"json_schema": {"type": "object", "required": ["schema"],
    "properties": {"schema": {"type": "object"}}}}}})";

inline constexpr std::string_view kTools = R"({"type": "array", "maxItems": 128, "items": {
  "type": "object", "required": ["type", "function"], "properties": {
    "type": {"const": "function"},
    "function": {"type": "object", "required": ["name"], "properties": {
      "name": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
      "description": {"type": ["string", "null"]},
      "parameters": {"type": ["object", "null"], "description": "a JSON Schema of the arguments"},
      "strict": {"type": ["boolean", "null"]}}}}}})";

inline constexpr std::string_view kToolChoice = R"({"anyOf": [
  {"type": "string", "enum": ["none", "auto", "required"]},
  {"type": "object", "required": ["type", "function"], "properties": {"type": {"const": "function"},
    "function": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}}]})";

inline constexpr std::string_view kTextLogprobs = R"({"type": "integer", "minimum": 0, "maximum": 20})";

inline constexpr std::string_view kThinking = R"({"type": "object", "required": ["type"], "properties": {
  "type": {"type": "string", "enum": ["enabled", "disabled"]}}})";

inline constexpr std::string_view kReasoningEffort = R"({"type": "string", "enum": [
  "none", "minimal", "low", "medium", "high", "xhigh", "max"]})";

}  // namespace r1::schema
