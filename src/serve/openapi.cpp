// openapi.cpp: paths from the routes, request bodies from the parameters, the words from the tables here.
#include "serve/openapi.h"

#include <algorithm>
#include <array>
#include <string>
#include <variant>

#include <nlohmann/json.hpp>

#include "base/assert.h"
#include "base/json.h"
#include "serve/http_message.h"
#include "serve/metrics.h"
#include "serve/openapi_dialects.h"
#include "serve/openapi_schemas.h"
#include "serve/page.h"
#include "serve/parameters.h"

namespace r1 {
namespace {

struct Operation {
  std::string_view method, path;    // without the prefix
  std::string_view id, summary;     // id: unique, once the prefix is added
  std::string_view body, answer;    // names in components/schemas; "": none
  std::string_view chunk = {};      // what each event of a stream holds
  std::string_view text_type = {};  // the answer is a text of this type
};

constexpr std::array kOperations = {
    Operation{"POST", "/chat/completions", "createChatCompletion", "Continue a conversation", "ChatCompletionRequest",
              "ChatCompletion", "ChatCompletionChunk"},
    Operation{"POST", "/chat/completions/control", "controlChatCompletion", "End the thinking of an answer now",
              "Control", "Control"},
    Operation{"POST", "/completions", "createCompletion", "Continue a text", "CompletionRequest", "TextCompletion",
              "TextCompletion"},
    Operation{"POST", "/messages", "createMessage", "Continue a conversation, as Anthropic's Messages API",
              "MessageRequest", "Message", "MessageEvent"},
    Operation{"POST", "/responses", "createResponse", "Continue a conversation, as OpenAI's Responses API",
              "ResponseRequest", "Response", "ResponseEvent"},
    Operation{"GET", "/models", "listModels", "List what is served", "", "ModelList"},
    Operation{"GET", "/models/", "retrieveModel", "Describe one model", "", "Model"},
    Operation{"GET", "/user/balance", "getBalance", "What the key's account has left", "", "Balance"},
    Operation{"GET", "/health", "getHealth", "What runs and waits; answers as long as the process lives", "", "Health"},
    Operation{"GET", "/ready", "getReady", "Whether new requests are answered: 503 while loading or stopping", "",
              "Ready"},
    Operation{"GET", "/metrics", "getMetrics", "Counters in Prometheus' text format", "", "", "", kMetricsContentType},
    Operation{"GET", "/openapi.json", "getOpenapi", "This document", "", "Document"},
};

struct ErrorAnswer {
  int status;
  std::string_view when;
};

// Of every operation; what a proxy adds is its own affair.
constexpr std::array kErrors = {
    ErrorAnswer{400, "not JSON, a wrong type, something unsupported, a prompt longer than the context"},
    ErrorAnswer{401, "no key, or one that is not known here"},
    ErrorAnswer{402, "the balance or the key's budget is used up"},
    ErrorAnswer{403, "a page of a foreign origin, or a key that may not do this"},
    ErrorAnswer{404, "no such path, model or answer"},
    ErrorAnswer{405, "the path takes another method, named in Allow"},
    ErrorAnswer{408, "the request came too slowly"},
    ErrorAnswer{409, "the Idempotency-Key's first request is running, or its answer is not kept any more"},
    ErrorAnswer{413, "the body is too large"},
    ErrorAnswer{415, "the body is compressed"},
    ErrorAnswer{421, "a host name that is not this server's"},
    ErrorAnswer{422, "a value out of range"},
    ErrorAnswer{429, "too many requests or tokens a minute"},
    ErrorAnswer{431, "the header is too large"},
    ErrorAnswer{500, "the engine failed"},
    ErrorAnswer{503, "too many wait, or the server is loading or stopping; Retry-After says when to come back"},
};

OrderedJson parsed(std::string_view json) {
  OrderedJson value = OrderedJson::parse(json, nullptr, /*allow_exceptions=*/false);
  R1_ASSERT(!value.is_discarded(), "the program's own schemas are JSON");
  return value;
}

OrderedJson schema_ref(std::string_view name) { return {{"$ref", "#/components/schemas/" + std::string(name)}}; }

// ---- parameters ---------------------------------------------------------------------------------------------------

OrderedJson type_schema(const Parameter& parameter) {
  using P = Parameter;
  if (std::holds_alternative<P::Read>(parameter.target)) return parsed(parameter.schema);
  if (std::holds_alternative<P::ToString>(parameter.target)) return {{"type", "string"}};
  if (std::holds_alternative<P::ToFlag>(parameter.target)) return {{"type", "boolean"}};
  if (std::holds_alternative<P::ToNumber>(parameter.target))
    return {{"type", "number"}, {"minimum", parameter.min}, {"maximum", parameter.max}};
  return {{"type", "integer"},
          {"minimum", static_cast<std::int64_t>(parameter.min)},
          {"maximum", static_cast<std::int64_t>(parameter.max)}};
}

// null counts as absent.
void allow_null(OrderedJson& schema) {
  if (schema.contains("anyOf")) {
    schema["anyOf"].push_back({{"type", "null"}});
    return;
  }
  schema["type"] = OrderedJson::array({schema["type"], "null"});
  if (schema.contains("enum")) schema["enum"].push_back(nullptr);
}

OrderedJson request_schema(std::span<const Parameter> parameters) {
  OrderedJson properties = OrderedJson::object(), required = OrderedJson::array();
  for (const Parameter& parameter : parameters) {
    OrderedJson schema = type_schema(parameter);
    if (parameter.is_required)
      required.push_back(parameter.name);
    else
      allow_null(schema);
    schema["description"] = parameter.meaning;
    properties[std::string(parameter.name)] = std::move(schema);
  }
  return {{"type", "object"},
          {"description", "Parameters that are not named here are ignored."},
          {"required", required},
          {"properties", properties}};
}

// ---- operations ---------------------------------------------------------------------------------------------------

struct Place {
  std::string_view prefix, path;  // "/v1" and "/models"
};

Place place_of(std::string_view path) {
  for (const std::string_view prefix : {"/v1", "/beta"})
    if (path.starts_with(prefix) && path.substr(prefix.size()).starts_with('/'))
      return {path.substr(0, prefix.size()), path.substr(prefix.size())};
  return {"", path};
}

const Operation* find_operation(std::string_view method, std::string_view path) {
  const auto found = std::find_if(kOperations.begin(), kOperations.end(),
                                  [&](const auto& each) { return each.method == method && each.path == path; });
  return found == kOperations.end() ? nullptr : &*found;
}

OrderedJson error_refs() {
  OrderedJson refs = OrderedJson::object();
  for (const ErrorAnswer& error : kErrors)
    refs[std::to_string(error.status)] = {{"$ref", "#/components/responses/" + std::to_string(error.status)}};
  return refs;
}

OrderedJson operation_json(const Operation& operation, std::string_view prefix, std::string_view page_type) {
  OrderedJson content = OrderedJson::object();
  if (!page_type.empty()) content[std::string(page_type)] = {{"schema", {{"type", "string"}}}};
  if (!operation.text_type.empty()) content[std::string(operation.text_type)] = {{"schema", {{"type", "string"}}}};
  if (!operation.answer.empty()) content["application/json"] = {{"schema", schema_ref(operation.answer)}};
  // OpenAPI 3.1 has no words for a stream's events: each is `data: ` and such a chunk, the last `data: [DONE]`.
  if (!operation.chunk.empty()) content["text/event-stream"] = {{"x-event", schema_ref(operation.chunk)}};
  OrderedJson answers = {{"200", {{"description", "OK"}, {"content", content}}}};
  answers.update(error_refs());
  OrderedJson json = {{"operationId", std::string(operation.id) + std::string(prefix.empty() ? "" : "_") +
                                          std::string(prefix.substr(prefix.empty() ? 0 : 1))},
                      {"summary", operation.summary}};
  if (!operation.body.empty())
    json["requestBody"] = {{"required", true},
                           {"content", {{"application/json", {{"schema", schema_ref(operation.body)}}}}}};
  json["responses"] = std::move(answers);
  return json;
}

void add_path(OrderedJson& paths, const ApiPath& api_path) {
  const auto files = page_files();
  const auto page = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.path == api_path.path; });
  const Place place = place_of(api_path.path);
  const std::string page_id = "getPage" + std::string(api_path.path);
  Operation operation{api_path.method, place.path, page_id, "", "", ""};
  if (const Operation* known = find_operation(api_path.method, place.path)) operation = *known;
  if (page != files.end()) operation.summary = "A file of the chat page, or the API's description for people";
  OrderedJson json = operation_json(operation, place.prefix, page == files.end() ? "" : page->content_type);
  std::string path(api_path.path);
  if (path.size() > 1 && path.ends_with('/')) {
    path += "{name}";
    json["parameters"] =
        OrderedJson::array({{{"name", "name"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}}});
  }
  std::string method(api_path.method);
  std::transform(method.begin(), method.end(), method.begin(), [](char c) { return static_cast<char>(c | 0x20); });
  paths[path][method] = std::move(json);
}

OrderedJson components() {
  OrderedJson schemas = {{"ChatCompletionRequest", request_schema(chat_parameters())},
                         {"CompletionRequest", request_schema(text_parameters())},
                         {"Document", {{"type", "object"}, {"required", {"openapi", "paths"}}}}};
  schemas.update(parsed(schema::kAnswers));
  schemas.update(parsed(schema::kDialects));
  OrderedJson responses = OrderedJson::object();
  for (const ErrorAnswer& error : kErrors)
    responses[std::to_string(error.status)] = {
        {"description", std::string(http_reason(error.status)) + ": " + std::string(error.when)},
        {"content", {{"application/json", {{"schema", schema_ref("Error")}}}}}};
  return {{"schemas", schemas},
          {"responses", responses},
          {"securitySchemes", {{"key", {{"type", "http"}, {"scheme", "bearer"}}}}}};
}

}  // namespace

std::string openapi_document(std::span<const ApiPath> paths) {
  OrderedJson described = OrderedJson::object();
  for (const ApiPath& path : paths) add_path(described, path);
  const OrderedJson document = {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "r1"},
        {"version", R1_VERSION},
        {"license", {{"name", "MIT"}, {"identifier", "MIT"}}},
        {"description", "The API of `r1 serve`: DeepSeek's dialect and OpenAI's at once. GET /docs/api tells more."}}},
      {"servers", OrderedJson::array({{{"url", "/"}}})},
      // Whether a key is asked for is the operator's choice.
      {"security", OrderedJson::array({OrderedJson::object(), {{"key", OrderedJson::array()}}})},
      {"paths", described},
      {"components", components()}};
  return document.dump();
}

}  // namespace r1
