// openapi_dialects.h: bodies of /messages and /responses, as JSON Schemas of the OpenAPI document: what of those APIs
// is understood here. tests/e2e/dialects_test.mjs checks real answers against them.
#pragma once

#include <string_view>

namespace r1::schema {

// Members of components/schemas. Requests are read as chat completions (serve/dialects.h), within the same ranges.
inline constexpr std::string_view kDialects = R"({
"MessageRequest": {"type": "object", "required": ["max_tokens", "messages"], "properties": {
  "model": {"type": "string"}, "max_tokens": {"type": "integer", "minimum": 1},
  "messages": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["role", "content"], "properties": {
    "role": {"type": "string", "enum": ["user", "assistant"]},
    "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object", "required": ["type"],
      "properties": {"type": {"type": "string",
        "enum": ["text", "tool_use", "tool_result", "thinking", "redacted_thinking"]}}}}]}}}},
  "system": {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "null"}]},
  "stop_sequences": {"type": ["array", "null"], "items": {"type": "string"}},
  "stream": {"type": ["boolean", "null"]}, "temperature": {"type": ["number", "null"]},
  "top_p": {"type": ["number", "null"]}, "top_k": {"type": ["integer", "null"]},
  "thinking": {"type": ["object", "null"], "properties": {
    "type": {"type": "string", "enum": ["enabled", "disabled", "adaptive"]}, "budget_tokens": {"type": "integer"}}},
  "tools": {"type": ["array", "null"], "items": {"type": "object", "required": ["name", "input_schema"], "properties": {
    "name": {"type": "string"}, "description": {"type": "string"}, "input_schema": {"type": "object"}}}},
  "tool_choice": {"type": ["object", "null"], "properties": {
    "type": {"type": "string", "enum": ["auto", "any", "tool", "none"]}, "name": {"type": "string"},
    "disable_parallel_tool_use": {"type": "boolean"}}}}},
"MessageUsage": {"type": "object", "required": ["input_tokens", "cache_read_input_tokens", "output_tokens"], "properties": {
  "input_tokens": {"type": "integer", "minimum": 0, "description": "without the cached"},
  "cache_creation_input_tokens": {"type": "integer", "minimum": 0},
  "cache_read_input_tokens": {"type": "integer", "minimum": 0}, "output_tokens": {"type": "integer", "minimum": 0}}},
"MessageBlock": {"type": "object", "required": ["type"], "properties": {
  "type": {"type": "string", "enum": ["thinking", "text", "tool_use"]}, "thinking": {"type": "string"},
  "signature": {"const": ""}, "text": {"type": "string"}, "id": {"type": "string"}, "name": {"type": "string"},
  "input": {"type": "object"}}},
"Message": {"type": "object",
  "required": ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"], "properties": {
  "id": {"type": "string", "pattern": "^msg_"}, "type": {"const": "message"}, "role": {"const": "assistant"},
  "model": {"type": "string"},
  "content": {"type": "array", "items": {"$ref": "#/components/schemas/MessageBlock"}},
  "stop_reason": {"type": ["string", "null"], "enum": ["end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", null]},
  "stop_sequence": {"type": ["string", "null"]}, "usage": {"$ref": "#/components/schemas/MessageUsage"}}},
"MessageEvent": {"type": "object", "required": ["type"], "properties": {
  "type": {"type": "string", "enum": ["message_start", "content_block_start", "content_block_delta",
           "content_block_stop", "message_delta", "message_stop", "error"]},
  "index": {"type": "integer", "minimum": 0}, "message": {"$ref": "#/components/schemas/Message"},
  "content_block": {"$ref": "#/components/schemas/MessageBlock"}, "delta": {"type": "object"},
  "usage": {"$ref": "#/components/schemas/MessageUsage"}}},
"ResponseRequest": {"type": "object", "required": ["input"], "properties": {
  "model": {"type": "string"}, "instructions": {"type": ["string", "null"]},
  "input": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object", "properties": {
    "type": {"type": "string", "enum": ["message", "function_call", "function_call_output", "reasoning"]}}}}]},
  "max_output_tokens": {"type": ["integer", "null"], "minimum": 1}, "stream": {"type": ["boolean", "null"]},
  "temperature": {"type": ["number", "null"]}, "top_p": {"type": ["number", "null"]},
  "reasoning": {"type": ["object", "null"], "properties": {"effort": {"type": ["string", "null"]}}},
  "text": {"type": ["object", "null"], "properties": {"format": {"type": "object", "properties": {
    "type": {"type": "string", "enum": ["text", "json_object", "json_schema"]}, "schema": {"type": "object"}}}}},
  "tools": {"type": ["array", "null"], "items": {"type": "object", "required": ["type", "name"], "properties": {
    "type": {"const": "function"}, "name": {"type": "string"}, "parameters": {"type": ["object", "null"]},
    "strict": {"type": ["boolean", "null"]}}}},
  "tool_choice": {"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}]},
  "parallel_tool_calls": {"type": ["boolean", "null"]}}},
"ResponseItem": {"type": "object", "required": ["id", "type", "status"], "properties": {
  "id": {"type": "string"}, "type": {"type": "string", "enum": ["reasoning", "message", "function_call"]},
  "status": {"type": "string", "enum": ["in_progress", "completed", "incomplete"]},
  "content": {"type": "array", "items": {"type": "object", "required": ["type", "text"], "properties": {
    "type": {"type": "string", "enum": ["reasoning_text", "output_text"]}, "text": {"type": "string"}}}},
  "call_id": {"type": "string"}, "name": {"type": "string"}, "arguments": {"type": "string"}}},
"Response": {"type": "object",
  "required": ["id", "object", "created_at", "status", "error", "incomplete_details", "model", "output", "usage"],
  "properties": {
    "id": {"type": "string", "pattern": "^resp_"}, "object": {"const": "response"}, "created_at": {"type": "integer"},
    "status": {"type": "string", "enum": ["in_progress", "completed", "incomplete", "failed"]},
    "error": {"type": ["object", "null"]}, "incomplete_details": {"type": ["object", "null"]},
    "model": {"type": "string"},
    "output": {"type": "array", "items": {"$ref": "#/components/schemas/ResponseItem"}},
    "usage": {"type": ["object", "null"], "required": ["input_tokens", "output_tokens", "total_tokens"], "properties": {
      "input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}}}},
"ResponseEvent": {"type": "object", "required": ["type", "sequence_number"], "properties": {
  "type": {"type": "string", "pattern": "^response\\.|^error$"}, "sequence_number": {"type": "integer", "minimum": 0},
  "code": {"type": ["string", "null"]}, "message": {"type": "string"}, "param": {"type": ["string", "null"]},
  "output_index": {"type": "integer", "minimum": 0}, "item": {"$ref": "#/components/schemas/ResponseItem"},
  "response": {"$ref": "#/components/schemas/Response"}}}
})";

}  // namespace r1::schema
