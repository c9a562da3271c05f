// parameters.cpp: the tables, and reading one value.
#include "serve/parameters.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/form_parameters.h"
#include "serve/parameter_errors.h"
#include "serve/parameter_schemas.h"
#include "serve/structured_parameters.h"

namespace r1 {
namespace {

constexpr int kIntMax = std::numeric_limits<int>::max();

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
