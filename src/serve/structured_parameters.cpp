// structured_parameters.cpp: reading them, with an error that names the place of what is wrong.
#include "serve/structured_parameters.h"

#include <charconv>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace r1 {
namespace {

constexpr std::size_t kStopsMax = 16, kStopBytesMax = 1024;
constexpr std::size_t kLogitBiasesMax = 1024;
constexpr std::size_t kMessagesMax = 10'000;

MaybeError read_text_parts(const Json& parts, const std::string& where, std::string& text) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Json& part = parts[i];
    const std::string place = fmt::format("{}[{}]", where, i);
    if (!part.is_object()) return wrong_type(place, "an object", part);
    const auto type = part.find("type"), content = part.find("text");
    if (type == part.end() || *type != "text")
      return unsupported(place + ".type", fmt::format("'{}.type' must be \"text\": only text is understood", place));
    if (content == part.end() || !content->is_string())
      return wrong_type(place + ".text", "a string", content == part.end() ? Json() : *content);
    text += content->get_ref<const std::string&>();
  }
  return {};
}

MaybeError read_tool_calls(const Json& calls, const std::string& where, ChatMessage& message) {
  if (!calls.is_array()) return wrong_type(where, "an array", calls);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const std::string place = fmt::format("{}[{}].function", where, i);
    const auto function = calls[i].is_object() ? calls[i].find("function") : calls[i].end();
    if (!calls[i].is_object() || function == calls[i].end() || !function->is_object())
      return wrong_type(place, "an object", Json());
    const auto name = json_string(*function, "name", ""), arguments = json_string(*function, "arguments", "");
    if (!name.ok() || !arguments.ok())
      return wrong_type(place, "an object with 'name' and 'arguments' texts", *function);
    message.tool_calls.push_back({"function", *name, *arguments});
  }
  return {};
}

MaybeError read_message(const Json& source, const std::string& where, ChatMessage& message) {
  if (!source.is_object()) return wrong_type(where, "an object", source);
  const auto role = source.find("role");
  if (role == source.end() || !role->is_string())
    return wrong_type(where + ".role", "a string", role == source.end() ? Json() : *role);
  message.role = role->get<std::string>();
  if (message.role == "developer") message.role = "system";  // OpenAI's newer name
  if (message.role != "system" && message.role != "user" && message.role != "assistant" && message.role != "tool")
    return ApiError{400, fmt::format("'{}.role' must be system, user, assistant or tool", where), where + ".role",
                    "invalid_value"};
  const auto calls = source.find("tool_calls");
  if (calls != source.end() && !calls->is_null())
    if (auto error = read_tool_calls(*calls, where + ".tool_calls", message)) return error;
  for (const std::string_view name : {"reasoning_content", "reasoning"}) {
    const auto thinking = source.find(name);
    if (thinking == source.end() || thinking->is_null()) continue;
    if (!thinking->is_string()) return wrong_type(fmt::format("{}.{}", where, name), "a string", *thinking);
    message.thinking = thinking->get<std::string>();
    break;
  }
  const auto prefix = json_bool(source, "prefix", false);
  if (!prefix.ok()) return wrong_type(where + ".prefix", "true or false", source["prefix"]);
  message.is_prefix = *prefix;
  const auto content = source.find("content");
  const bool is_absent = content == source.end() || content->is_null();
  if (is_absent && message.role == "assistant") return {};
  if (is_absent) return wrong_type(where + ".content", "a string or an array of parts", Json());
  if (content->is_array()) return read_text_parts(*content, where + ".content", message.content);
  if (!content->is_string()) return wrong_type(where + ".content", "a string or an array of parts", *content);
  message.content = content->get<std::string>();
  return {};
}

MaybeError read_token_ids(const Json& value, CompletionRequest& request) {
  for (const Json& id : value) {
    if (!id.is_number_integer()) return wrong_type("prompt", "a string or an array of token ids", id);
    if (id < 0 || id > std::numeric_limits<int>::max())
      return out_of_range("prompt", "token ids of the model's vocabulary");
    request.prompt_ids.push_back(id.get<int>());
  }
  return {};
}

}  // namespace

MaybeError read_messages(const Json& value, CompletionRequest& request) {
  if (!value.is_array()) return wrong_type("messages", "an array", value);
  if (value.empty()) return ApiError{400, "'messages' must hold at least one message", "messages", "invalid_value"};
  if (value.size() > kMessagesMax) return out_of_range("messages", fmt::format("at most {} messages", kMessagesMax));
  request.messages.resize(value.size());
  for (std::size_t i = 0; i < value.size(); ++i)
    if (auto error = read_message(value[i], fmt::format("messages[{}]", i), request.messages[i])) return error;
  return {};
}

MaybeError read_prompt(const Json& value, CompletionRequest& request) {
  if (value.is_string()) {
    request.prompt = value.get<std::string>();
    return {};
  }
  if (!value.is_array()) return wrong_type("prompt", "a string or an array of token ids", value);
  if (value.empty()) return ApiError{400, "'prompt' is empty", "prompt", "invalid_value"};
  if (value[0].is_number()) return read_token_ids(value, request);
  if (value.size() > 1) return unsupported("prompt", "'prompt' holds several prompts; send one a request");
  if (value[0].is_array() && !value[0].empty() && !value[0][0].is_array()) return read_prompt(value[0], request);
  if (!value[0].is_string()) return wrong_type("prompt", "a string or an array of token ids", value[0]);
  request.prompt = value[0].get<std::string>();
  return {};
}

MaybeError read_stop(const Json& value, CompletionRequest& request) {
  if (!value.is_string() && !value.is_array()) return wrong_type("stop", "a string or an array of strings", value);
  const Json::array_t one = {value};
  const Json::array_t& stops = value.is_array() ? value.get_ref<const Json::array_t&>() : one;
  if (stops.size() > kStopsMax) return out_of_range("stop", fmt::format("at most {} strings", kStopsMax));
  for (const Json& stop : stops) {
    if (!stop.is_string()) return wrong_type("stop", "a string or an array of strings", stop);
    const auto& text = stop.get_ref<const std::string&>();
    if (text.empty() || text.size() > kStopBytesMax)
      return out_of_range("stop", fmt::format("strings of 1 to {} bytes", kStopBytesMax));
    request.stop.push_back(text);
  }
  return {};
}

MaybeError read_logit_bias(const Json& value, CompletionRequest& request) {
  if (!value.is_object()) return wrong_type("logit_bias", "an object of token ids and numbers", value);
  if (value.size() > kLogitBiasesMax)
    return out_of_range("logit_bias", fmt::format("at most {} tokens", kLogitBiasesMax));
  for (const auto& [key, bias] : value.items()) {
    int id = -1;
    const auto [end, failed] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (failed != std::errc() || end != key.data() + key.size() || id < 0)
      return ApiError{400, fmt::format("'logit_bias' must have token ids as keys"), "logit_bias", "invalid_value"};
    if (!bias.is_number()) return wrong_type("logit_bias", "an object of token ids and numbers", bias);
    if (std::fabs(bias.get<double>()) > 100) return out_of_range("logit_bias", "between -100 and 100 for each token");
    request.sampling.logit_bias.push_back({id, bias.get<float>()});
  }
  return {};
}

MaybeError read_seed(const Json& value, CompletionRequest& request) {
  if (!value.is_number_integer()) return wrong_type("seed", "an integer", value);
  request.seed =
      value.is_number_unsigned() ? static_cast<std::int64_t>(value.get<std::uint64_t>()) : value.get<std::int64_t>();
  return {};
}

MaybeError read_stream_options(const Json& value, CompletionRequest& request) {
  if (!value.is_object()) return wrong_type("stream_options", "an object", value);
  const auto include_usage = json_bool(value, "include_usage", false);
  if (!include_usage.ok()) return wrong_type("stream_options.include_usage", "true or false", value["include_usage"]);
  request.include_usage = *include_usage;
  return {};
}

// Chat: a flag, and how many alternatives in top_logprobs. Completions: the number alone.
MaybeError read_text_logprobs(const Json& value, CompletionRequest& request) {
  if (!value.is_number_integer()) return wrong_type("logprobs", "an integer", value);
  if (value < 0 || value > 20) return out_of_range("logprobs", "between 0 and 20");
  request.logprobs = true;
  request.n_top_logprobs = value.get<int>();
  return {};
}

// DeepSeek's switch.
MaybeError read_thinking(const Json& value, CompletionRequest& request) {
  if (!value.is_object()) return wrong_type("thinking", "an object", value);
  const auto type = value.find("type");
  if (type == value.end() || !type->is_string())
    return wrong_type("thinking.type", "a string", type == value.end() ? Json() : *type);
  if (*type != "enabled" && *type != "disabled")
    return out_of_range("thinking.type", fmt::format("\"enabled\" or \"disabled\", not {}", type->dump()));
  request.thinking = *type == "enabled" ? ThinkingMode::kOn : ThinkingMode::kOff;
  return {};
}

// R1 was not trained to think more or less when told, so an effort is a limit. Explicit parameters, which the table
// reads later, win.
MaybeError read_reasoning_effort(const Json& value, CompletionRequest& request) {
  constexpr std::array<std::pair<std::string_view, int>, 6> kLimits = {
      {{"minimal", 512}, {"low", 2048}, {"medium", 8192}, {"high", -1}, {"xhigh", -1}, {"max", -1}}};
  if (!value.is_string()) return wrong_type("reasoning_effort", "a string", value);
  if (value == "none") {
    request.thinking = ThinkingMode::kOff;
    return {};
  }
  for (const auto& [name, limit] : kLimits) {
    if (value != name) continue;
    request.max_thinking_tokens = limit;
    return {};
  }
  return out_of_range("reasoning_effort", "none, minimal, low, medium, high, xhigh or max");
}

}  // namespace r1
