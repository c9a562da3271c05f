// openapi_schemas.h: the bodies that the API answers with, as JSON Schemas of the OpenAPI document.
// tests/e2e/openapi_test.mjs checks real answers against them.
#pragma once

#include <string_view>

namespace r1::schema {

// Members of components/schemas.
inline constexpr std::string_view kAnswers = R"({
"Error": {"type": "object", "required": ["error"], "properties": {
  "error": {"type": "object", "required": ["message", "type", "param", "code"], "properties": {
    "message": {"type": "string"},
    "type": {"type": "string", "enum": ["invalid_request_error", "authentication_error", "permission_error",
             "rate_limit_error", "overloaded_error", "server_error"]},
    "param": {"type": ["string", "null"], "description": "the parameter at fault"},
    "code": {"type": ["string", "null"], "description": "for programs"}}},
  "request_id": {"type": "string", "description": "what X-Request-Id says"}}},
"Usage": {"type": "object",
  "required": ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details",
               "completion_tokens_details", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens"],
  "properties": {
    "prompt_tokens": {"type": "integer", "minimum": 0},
    "completion_tokens": {"type": "integer", "minimum": 0, "description": "thinking among them"},
    "total_tokens": {"type": "integer", "minimum": 0},
    "prompt_tokens_details": {"type": "object", "required": ["cached_tokens"], "properties": {
      "cached_tokens": {"type": "integer", "minimum": 0}}},
    "completion_tokens_details": {"type": "object", "required": ["reasoning_tokens"], "properties": {
      "reasoning_tokens": {"type": "integer", "minimum": 0}}},
    "prompt_cache_hit_tokens": {"type": "integer", "minimum": 0},
    "prompt_cache_miss_tokens": {"type": "integer", "minimum": 0}}},
"FinishReason": {"type": "string", "enum": ["stop", "length", "tool_calls", "insufficient_system_resource"]},
"FinishDetail": {"type": "string", "enum": ["repetition", "server_stopping"],
  "description": "beside length: the answer repeated itself; beside insufficient_system_resource: the server stopped"},
"TokenLogprob": {"type": "object", "required": ["token", "logprob", "bytes"], "properties": {
  "token": {"type": "string"}, "logprob": {"type": "number"},
  "bytes": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
  "top_logprobs": {"type": "array", "items": {"$ref": "#/components/schemas/TokenLogprob"}}}},
"ChatLogprobs": {"type": ["object", "null"], "required": ["content", "reasoning_content", "refusal"], "properties": {
  "content": {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/TokenLogprob"}},
  "reasoning_content": {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/TokenLogprob"}},
  "refusal": {"type": "null"}}},
"TextLogprobs": {"type": ["object", "null"], "required": ["tokens", "token_logprobs", "top_logprobs", "text_offset"],
  "properties": {
    "tokens": {"type": "array", "items": {"type": "string"}},
    "token_logprobs": {"type": "array", "items": {"type": ["number", "null"]}},
    "top_logprobs": {"type": "array", "items": {"type": ["object", "null"],
                     "additionalProperties": {"type": "number"}}},
    "text_offset": {"type": "array", "items": {"type": "integer", "minimum": 0}}}},
"ChatCompletion": {"type": "object",
  "required": ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"],
  "properties": {
    "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": {"type": "integer"},
    "model": {"type": "string"}, "system_fingerprint": {"type": "string"},
    "choices": {"type": "array", "items": {"type": "object",
      "required": ["index", "message", "logprobs", "finish_reason"],
      "properties": {
        "index": {"type": "integer", "minimum": 0},
        "message": {"type": "object", "required": ["role", "content", "reasoning_content", "refusal"], "properties": {
          "role": {"const": "assistant"}, "content": {"type": ["string", "null"]},
          "reasoning_content": {"type": ["string", "null"]}, "refusal": {"type": "null"},
          "tool_calls": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["id", "type", "function"],
            "properties": {"id": {"type": "string"}, "type": {"const": "function"}, "function": {"type": "object",
              "required": ["name", "arguments"], "properties": {"name": {"type": "string"},
                "arguments": {"type": "string"}}}}}}}},
        "logprobs": {"$ref": "#/components/schemas/ChatLogprobs"},
        "finish_reason": {"$ref": "#/components/schemas/FinishReason"},
        "finish_detail": {"$ref": "#/components/schemas/FinishDetail"}}}},
    "usage": {"$ref": "#/components/schemas/Usage"}}},
"ChatCompletionChunk": {"type": "object",
  "required": ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"],
  "properties": {
    "id": {"type": "string"}, "object": {"const": "chat.completion.chunk"}, "created": {"type": "integer"},
    "model": {"type": "string"}, "system_fingerprint": {"type": "string"},
    "choices": {"type": "array", "items": {"type": "object",
      "required": ["index", "delta", "logprobs", "finish_reason"],
      "properties": {
        "index": {"type": "integer", "minimum": 0},
        "delta": {"type": "object", "properties": {
          "role": {"const": "assistant"}, "content": {"type": ["string", "null"]},
          "reasoning_content": {"type": ["string", "null"]},
          "tool_calls": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["index", "function"],
            "properties": {"index": {"type": "integer", "minimum": 0}, "id": {"type": "string"},
              "type": {"const": "function"}, "function": {"type": "object", "required": ["arguments"],
                "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}}}}}}}},
        "logprobs": {"$ref": "#/components/schemas/ChatLogprobs"},
        "finish_reason": {"anyOf": [{"$ref": "#/components/schemas/FinishReason"}, {"type": "null"}]},
        "finish_detail": {"$ref": "#/components/schemas/FinishDetail"}}}},
    "usage": {"anyOf": [{"$ref": "#/components/schemas/Usage"}, {"type": "null"}]}}},
"TextCompletion": {"type": "object",
  "required": ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"],
  "properties": {
    "id": {"type": "string"}, "object": {"const": "text_completion"}, "created": {"type": "integer"},
    "model": {"type": "string"}, "system_fingerprint": {"type": "string"},
    "choices": {"type": "array", "items": {"type": "object",
      "required": ["index", "text", "logprobs", "finish_reason"],
      "properties": {
        "index": {"type": "integer", "minimum": 0}, "text": {"type": "string"},
        "logprobs": {"$ref": "#/components/schemas/TextLogprobs"},
        "finish_reason": {"description": "null in the chunks of a stream before the last",
          "anyOf": [{"$ref": "#/components/schemas/FinishReason"}, {"type": "null"}]},
        "finish_detail": {"$ref": "#/components/schemas/FinishDetail"}}}},
    "usage": {"anyOf": [{"$ref": "#/components/schemas/Usage"}, {"type": "null"}]}}},
"Control": {"type": "object", "required": ["id", "action"], "properties": {
  "id": {"type": "string", "description": "of an answer that is being written"},
  "action": {"const": "end_thinking"}}},
"ModelState": {"type": "string", "enum": ["loaded", "loading", "unloaded"],
  "description": "a request for one that is not loaded waits until it is"},
"Model": {"type": "object", "required": ["id", "object", "created", "owned_by", "context_length", "state"], "properties": {
  "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"},
  "owned_by": {"type": "string"}, "context_length": {"type": "integer", "minimum": 1},
  "state": {"$ref": "#/components/schemas/ModelState"}}},
"Balance": {"type": "object", "required": ["is_available", "balance_infos"], "properties": {
  "is_available": {"type": "boolean"},
  "balance_infos": {"type": "array", "items": {"type": "object",
    "required": ["currency", "total_balance", "granted_balance", "topped_up_balance"], "properties": {
    "currency": {"const": "USD"}, "total_balance": {"type": "string"}, "granted_balance": {"type": "string"},
    "topped_up_balance": {"type": "string"}}}}}},
"ModelList": {"type": "object", "required": ["object", "data"], "properties": {
  "object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}},
"Ready": {"type": "object", "required": ["status"], "properties": {
  "status": {"type": "string", "enum": ["ready", "loading", "stopping"]}}},
"Health": {"type": "object", "required": ["status", "state"], "properties": {
  "status": {"const": "ok"}, "state": {"type": "string", "enum": ["ready", "loading", "stopping"]}, "uptime_s": {"type": "integer"},
  "models": {"type": "array", "items": {"type": "object", "required": ["id", "state", "running", "waiting"],
             "properties": {"id": {"type": "string"}, "state": {"$ref": "#/components/schemas/ModelState"}}, "additionalProperties": {"type": "integer"}}},
  "http": {"type": "object", "additionalProperties": {"type": "integer"}}}}
})";

}  // namespace r1::schema
