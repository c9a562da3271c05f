// parameters.cpp: the tables, and how the values that have structure are read.
#include "serve/parameters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/form_parameters.h"
#include "serve/parameter_errors.h"
#include "serve/parameter_schemas.h"

namespace r1 {
namespace {

constexpr std::size_t kStopsMax = 16, kStopBytesMax = 1024;
constexpr std::size_t kLogitBiasesMax = 1024;
constexpr std::size_t kMessagesMax = 10'000;
constexpr int kIntMax = std::numeric_limits<int>::max();

// ---- values with structure ----------------------------------------------------------------------------------------

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

MaybeError read_messages(const Json& value, CompletionRequest& request) {
  if (!value.is_array()) return wrong_type("messages", "an array", value);
  if (value.empty()) return ApiError{400, "'messages' must hold at least one message", "messages", "invalid_value"};
  if (value.size() > kMessagesMax) return out_of_range("messages", fmt::format("at most {} messages", kMessagesMax));
  request.messages.resize(value.size());
  for (std::size_t i = 0; i < value.size(); ++i)
    if (auto error = read_message(value[i], fmt::format("messages[{}]", i), request.messages[i])) return error;
  return {};
}

MaybeError read_token_ids(const Json& value, CompletionRequest& request) {
  for (const Json& id : value) {
    if (!id.is_number_integer()) return wrong_type("prompt", "a string or an array of token ids", id);
    if (id < 0 || id > kIntMax) return out_of_range("prompt", "token ids of the model's vocabulary");
    request.prompt_ids.push_back(id.get<int>());
  }
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

// ---- the tables ---------------------------------------------------------------------------------------------------

using Request = CompletionRequest;

constexpr Parameter kModel = {"model", [](Request& r) -> std::string& { return r.model; }, 0, 0,
                              "name of the model; GET /v1/models lists them"};
constexpr Parameter kStream = {"stream", [](Request& r) -> bool& { return r.stream; }, 0, 0,
                               "send the answer in server-sent events as it is written"};
constexpr Parameter kStreamOptions = {"stream_options",
                                      Parameter::Read(read_stream_options),
                                      0,
                                      0,
                                      "include_usage: one more chunk, with the usage, before the end",
                                      false,
                                      schema::kStreamOptions};
constexpr Parameter kMaxTokens = {"max_tokens", [](Request& r) -> int& { return r.max_tokens; }, 1, kIntMax,
                                  "most tokens to write, thinking included"};
constexpr Parameter kN = {"n", [](Request& r) -> int& { return r.n; }, 1, 8, "how many answers to write"};
constexpr Parameter kStop = {"stop",
                             Parameter::Read(read_stop),
                             0,
                             0,
                             "text, or up to 16, that ends the answer; not looked for while thinking",
                             false,
                             schema::kStop};
constexpr Parameter kSeed = {
    "seed", Parameter::Read(read_seed), 0, 0, "the same seed gives the same answer", false, schema::kSeed};
constexpr Parameter kTemperature = {"temperature", [](Request& r) -> float& { return r.sampling.temperature; }, 0, 2,
                                    "0: the most probable token always; above 1: flatter than the model"};
constexpr Parameter kTopP = {"top_p", [](Request& r) -> float& { return r.sampling.top_p; }, 0, 1,
                             "choose among the most probable tokens that together have this probability"};
constexpr Parameter kTopK = {"top_k", [](Request& r) -> int& { return r.sampling.top_k; }, -1, kIntMax,
                             "choose among so many most probable tokens; 0 or -1: no limit"};
constexpr Parameter kMinP = {"min_p", [](Request& r) -> float& { return r.sampling.min_p; }, 0, 1,
                             "leave out tokens with less than this share of the best one's probability"};
constexpr Parameter kPresence = {"presence_penalty", [](Request& r) -> float& { return r.sampling.presence_penalty; },
                                 -2, 2, "taken from the logit of every token already written"};
constexpr Parameter kFrequency = {"frequency_penalty",
                                  [](Request& r) -> float& { return r.sampling.frequency_penalty; }, -2, 2,
                                  "the same for each time it was written"};
constexpr Parameter kRepetition = {"repetition_penalty",
                                   [](Request& r) -> float& { return r.sampling.repetition_penalty; }, 0.01, 10,
                                   "divides the logits of tokens in prompt and answer; 1: off"};
constexpr Parameter kLogitBias = {"logit_bias",
                                  Parameter::Read(read_logit_bias),
                                  0,
                                  0,
                                  "added to the logits of these token ids, -100 to 100",
                                  false,
                                  schema::kLogitBias};

constexpr Parameter kDetectRepetition = {"detect_repetition", [](Request& r) -> bool& { return r.detect_repetition; },
                                         0, 0, "end an answer that repeats itself without end; absent: true"};

constexpr std::array kChatParameters = {
    kModel,
    Parameter{"messages", Parameter::Read(read_messages), 0, 0, "the conversation, oldest first", true,
              schema::kMessages},
    kStream,
    kStreamOptions,
    kMaxTokens,
    Parameter{"max_completion_tokens", [](Request& r) -> int& { return r.max_tokens; }, 1, kIntMax,
              "OpenAI's newer name of max_tokens; wins over it"},
    kN,
    kStop,
    kSeed,
    kTemperature,
    kTopP,
    kTopK,
    kMinP,
    kPresence,
    kFrequency,
    kRepetition,
    kLogitBias,
    kDetectRepetition,
    Parameter{"logprobs", [](Request& r) -> bool& { return r.logprobs; }, 0, 0,
              "report the log-probability of every token, of thinking and answer"},
    Parameter{"top_logprobs", [](Request& r) -> int& { return r.n_top_logprobs; }, 0, 20,
              "and of so many most probable alternatives; needs logprobs"},
    Parameter{"response_format", Parameter::Read(read_response_format), 0, 0,
              "{\"type\": \"text\"}, \"json_object\", or \"json_schema\" with the schema: what the answer must be",
              false, schema::kResponseFormat},
    Parameter{
        "reasoning_effort", Parameter::Read(read_reasoning_effort), 0, 0,
        "none: no thinking; minimal, low, medium: at most 512, 2048, 8192 tokens of it; high, xhigh, max: no limit",
        false, schema::kReasoningEffort},
    Parameter{"thinking", Parameter::Read(read_thinking), 0, 0, "{\"type\": \"enabled\"} or {\"type\": \"disabled\"}",
              false, schema::kThinking},
    Parameter{"max_thinking_tokens", [](Request& r) -> int& { return r.max_thinking_tokens; }, 0, kIntMax,
              "after so many tokens of thinking a sentence closes the thought and the answer begins"},
    Parameter{"tools", Parameter::Read(read_tools), 0, 0, "functions that the answer may call, up to 128", false,
              schema::kTools},
    Parameter{"tool_choice", Parameter::Read(read_tool_choice), 0, 0,
              "\"none\", \"auto\", \"required\", or the function that must be called", false, schema::kToolChoice},
    Parameter{"parallel_tool_calls", [](Request& r) -> bool& { return r.parallel_tool_calls; }, 0, 0,
              "false: at most one call in an answer"},
};

constexpr std::array kTextParameters = {
    kModel,
    Parameter{"prompt", Parameter::Read(read_prompt), 0, 0, "text or token ids to continue", true, schema::kPrompt},
    kStream,
    kStreamOptions,
    kMaxTokens,
    kN,
    kStop,
    kSeed,
    kTemperature,
    kTopP,
    kTopK,
    kMinP,
    kPresence,
    kFrequency,
    kRepetition,
    kLogitBias,
    kDetectRepetition,
    Parameter{"logprobs", Parameter::Read(read_text_logprobs), 0, 0,
              "report log-probabilities, with so many alternatives for each token (0 to 20)", false,
              schema::kTextLogprobs},
    Parameter{"echo", [](Request& r) -> bool& { return r.echo; }, 0, 0, "begin the text with the prompt"},
    Parameter{"suffix", [](Request& r) -> std::string& { return r.suffix; }, 0, 0,
              "what comes after the gap to be filled, if the model can fill in the middle"},
};

// ---- reading one value --------------------------------------------------------------------------------------------

std::string range_of(const Parameter& parameter, const Json& got) {
  if (parameter.max == kIntMax && got > 0) return fmt::format("at most {}, not {}", kIntMax, got.dump());
  if (parameter.max == kIntMax) return fmt::format("at least {}, not {}", parameter.min, got.dump());
  return fmt::format("between {} and {}, not {}", parameter.min, parameter.max, got.dump());
}

MaybeError read_value(const Parameter& parameter, const Json& value, Parameter::ToNumber to,
                      CompletionRequest& request) {
  if (!value.is_number()) return wrong_type(parameter.name, "a number", value);
  const double number = value.get<double>();
  if (!(number >= parameter.min && number <= parameter.max))
    return out_of_range(parameter.name, range_of(parameter, value));
  to(request) = static_cast<float>(number);
  return {};
}

MaybeError read_value(const Parameter& parameter, const Json& value, Parameter::ToInteger to,
                      CompletionRequest& request) {
  if (!value.is_number()) return wrong_type(parameter.name, "an integer", value);
  const double number = value.get<double>();  // exact far beyond every range here; 8.0 is an integer to many writers
  if (number != std::floor(number)) return wrong_type(parameter.name, "an integer", value);
  if (!(number >= parameter.min && number <= parameter.max))
    return out_of_range(parameter.name, range_of(parameter, value));
  to(request) = static_cast<int>(number);
  return {};
}

MaybeError read_value(const Parameter& parameter, const Json& value, Parameter::ToFlag to, CompletionRequest& request) {
  if (!value.is_boolean()) return wrong_type(parameter.name, "true or false", value);
  to(request) = value.get<bool>();
  return {};
}

MaybeError read_value(const Parameter& parameter, const Json& value, Parameter::ToString to,
                      CompletionRequest& request) {
  if (!value.is_string()) return wrong_type(parameter.name, "a string", value);
  to(request) = value.get<std::string>();
  return {};
}

MaybeError read_value(const Parameter& /*parameter*/, const Json& value, Parameter::Read read,
                      CompletionRequest& request) {
  return read(value, request);
}

}  // namespace

std::span<const Parameter> chat_parameters() { return kChatParameters; }
std::span<const Parameter> text_parameters() { return kTextParameters; }

std::optional<ApiError> read_parameters(const Json& body, std::span<const Parameter> parameters,
                                        CompletionRequest& request) {
  if (!body.is_object()) return ApiError{400, "the body must be a JSON object", "", "invalid_type"};
  for (const Parameter& parameter : parameters) {
    const auto value = body.find(parameter.name);
    if (value == body.end() || value->is_null()) {
      if (!parameter.is_required) continue;
      return ApiError{400, fmt::format("'{}' is missing", parameter.name), std::string(parameter.name), "missing"};
    }
    auto error = std::visit([&](auto to) { return read_value(parameter, *value, to, request); }, parameter.target);
    if (error) return error;
  }
  request.sampling.top_k = std::max(request.sampling.top_k, 0);
  if (request.n_top_logprobs > 0 && !request.logprobs)
    return ApiError{400, "'top_logprobs' needs 'logprobs' to be true", "top_logprobs", "invalid_value"};
  if (!request.suffix.empty() && !request.prompt_ids.empty())
    return unsupported("suffix", "'suffix' needs a 'prompt' that is text, not token ids");
  if (!request.suffix.empty() && request.echo)
    return unsupported("echo", "'echo' with 'suffix' is not supported: the answer stands between the two");
  if (request.scores_prompt() && request.n > 1)
    return unsupported("n", "'n' must be 1 with 'echo' and 'logprobs': the prompt is scored once");
  return check_json_is_mentioned(request);
}

}  // namespace r1
