// form_parameters.cpp: shapes and names are checked here; whether a schema can be kept, serve/answer_filter.cpp says.
#include "serve/form_parameters.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"

namespace r1 {
namespace {

constexpr std::size_t kToolsMax = 128, kToolNameMax = 64;
constexpr std::string_view kNoParameters = R"({"type":"object","properties":{}})";

bool is_tool_name(std::string_view name) {
  constexpr std::string_view kCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  return !name.empty() && name.size() <= kToolNameMax && name.find_first_not_of(kCharacters) == std::string_view::npos;
}

MaybeError read_tool(const Json& source, const std::string& where, ToolDefinition& tool) {
  if (!source.is_object()) return wrong_type(where, "an object", source);
  const auto type = source.find("type");
  if (type == source.end() || *type != "function")
    return unsupported(where + ".type", fmt::format("'{}.type' must be \"function\"", where));
  const std::string place = where + ".function";
  const auto function = source.find("function");
  if (function == source.end() || !function->is_object())
    return wrong_type(place, "an object", function == source.end() ? Json() : *function);
  const auto name = json_string(*function, "name", ""), description = json_string(*function, "description", "");
  const auto strict = json_bool(*function, "strict", false);
  if (!name.ok()) return wrong_type(place + ".name", "a string", (*function)["name"]);
  if (!is_tool_name(*name)) {
    return ApiError{400, fmt::format("'{}.name' must be 1 to {} of a-z, A-Z, 0-9, _ and -", place, kToolNameMax),
                    place + ".name", "invalid_value"};
  }
  if (!description.ok()) return wrong_type(place + ".description", "a string", (*function)["description"]);
  if (!strict.ok()) return wrong_type(place + ".strict", "true or false", (*function)["strict"]);
  const auto parameters = function->find("parameters");
  const bool has_parameters = parameters != function->end() && !parameters->is_null();
  if (has_parameters && !parameters->is_object()) return wrong_type(place + ".parameters", "an object", *parameters);
  tool = {*name, *description, has_parameters ? parameters->dump() : std::string(kNoParameters), *strict};
  return {};
}

}  // namespace

MaybeError read_response_format(const Json& value, CompletionRequest& request) {
  if (!value.is_object()) return wrong_type("response_format", "an object", value);
  const auto type = value.find("type");
  if (type == value.end() || !type->is_string())
    return wrong_type("response_format.type", "a string", type == value.end() ? Json() : *type);
  if (*type == "text") return {};
  if (*type == "json_object") {
    request.response_format = ResponseFormat::kJsonObject;
    return {};
  }
  if (*type != "json_schema") return out_of_range("response_format.type", "text, json_object or json_schema");
  const auto format = value.find("json_schema");
  if (format == value.end() || !format->is_object())
    return wrong_type("response_format.json_schema", "an object", format == value.end() ? Json() : *format);
  const auto schema = format->find("schema");
  if (schema == format->end() || !schema->is_object())
    return wrong_type("response_format.json_schema.schema", "an object", schema == format->end() ? Json() : *schema);
  request.response_format = ResponseFormat::kJsonSchema;
  request.response_schema = schema->dump();
  return {};
}

MaybeError read_tools(const Json& value, CompletionRequest& request) {
  if (!value.is_array()) return wrong_type("tools", "an array", value);
  if (value.size() > kToolsMax) return out_of_range("tools", fmt::format("at most {} functions", kToolsMax));
  request.tools.resize(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    if (auto error = read_tool(value[i], where, request.tools[i])) return error;
    const auto has_its_name = [&](const ToolDefinition& tool) { return tool.name == request.tools[i].name; };
    if (std::any_of(request.tools.begin(), request.tools.begin() + static_cast<std::ptrdiff_t>(i), has_its_name))
      return ApiError{400, fmt::format("'{}.function.name' is taken by another tool", where), where + ".function.name",
                      "invalid_value"};
  }
  return {};
}

MaybeError read_tool_choice(const Json& value, CompletionRequest& request) {
  const auto need_tools = [&](std::string_view name) -> MaybeError {
    const auto is_it = [&](const ToolDefinition& tool) { return name.empty() || tool.name == name; };
    if (std::any_of(request.tools.begin(), request.tools.end(), is_it)) return {};
    return ApiError{400,
                    fmt::format("'tool_choice' asks for a tool{} that 'tools' does not have",
                                name.empty() ? "" : fmt::format(", '{:.64}',", name)),
                    "tool_choice", "invalid_value"};
  };
  if (value == "none" || value == "auto") {
    request.tool_choice = value == "none" ? ToolChoice::kNone : ToolChoice::kAuto;
    return {};
  }
  if (value == "required") {
    request.tool_choice = ToolChoice::kRequired;
    return need_tools("");
  }
  if (value.is_string()) return out_of_range("tool_choice", "none, auto, required, or an object that names a function");
  if (!value.is_object()) return wrong_type("tool_choice", "a string or an object", value);
  const auto function = value.find("function");
  const bool names_one = value.value("type", Json()) == "function" && function != value.end() &&
                         function->is_object() && function->value("name", Json()).is_string();
  if (!names_one)
    return unsupported("tool_choice", "'tool_choice' must be {\"type\": \"function\", \"function\": {\"name\": …}}");
  request.tool_choice = ToolChoice::kRequired;
  request.tool_name = function->at("name").get<std::string>();
  return need_tools(request.tool_name);
}

MaybeError check_json_is_mentioned(const CompletionRequest& request) {
  const auto mentions = [](const ChatMessage& message) {
    constexpr std::string_view kWord = "json";
    const auto equal = [](char a, char b) { return (a | 0x20) == b; };
    return std::search(message.content.begin(), message.content.end(), kWord.begin(), kWord.end(), equal) !=
           message.content.end();
  };
  const bool is_needed = request.response_format == ResponseFormat::kJsonObject;
  if (!is_needed || std::any_of(request.messages.begin(), request.messages.end(), mentions)) return {};
  return ApiError{400, "'messages' must contain the word 'json' for 'response_format' json_object", "messages",
                  "invalid_value"};
}

void keep_schema_order(std::string_view body, CompletionRequest& request) {
  if (request.response_format != ResponseFormat::kJsonSchema && request.tools.empty()) return;
  const auto ordered = parse_ordered_json(body, "the body");
  if (!ordered.ok()) return;  // it was read before
  if (request.response_format == ResponseFormat::kJsonSchema)
    request.response_schema = ordered->at("response_format").at("json_schema").at("schema").dump();
  for (std::size_t i = 0; i < request.tools.size(); ++i) {
    const OrderedJson& function = ordered->at("tools").at(i).at("function");
    const auto parameters = function.find("parameters");
    if (parameters != function.end() && !parameters->is_null()) request.tools[i].parameters = parameters->dump();
  }
}

}  // namespace r1
