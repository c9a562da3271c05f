// parameters.h: the parameters of the completion endpoints, one table each: name, type, range, meaning, and where the
// value goes. Checking requests walks the table; so does the OpenAPI document (serve/openapi.h).
//
// Unknown parameters are ignored, null counts as absent. A wrong type is 400, a value out of range 422; both name the
// parameter.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/json.h"
#include "serve/completion_request.h"

namespace r1 {

struct Parameter {
  using ToNumber = float& (*)(CompletionRequest&);
  using ToInteger = int& (*)(CompletionRequest&);
  using ToFlag = bool& (*)(CompletionRequest&);
  using ToString = std::string& (*)(CompletionRequest&);
  using Read = std::optional<ApiError> (*)(const Json& value, CompletionRequest& request);

  std::string_view name;
  std::variant<ToNumber, ToInteger, ToFlag, ToString, Read> target;  // says the type too, but for Read
  double min = 0, max = 0;                                           // of numbers and integers
  std::string_view meaning;
  bool is_required = false;
  std::string_view schema = {};  // JSON Schema of what Read accepts; the other targets' follows from type and range
};

std::span<const Parameter> chat_parameters();
std::span<const Parameter> text_parameters();

// Fills in `request`, which comes with the defaults.
std::optional<ApiError> read_parameters(const Json& body, std::span<const Parameter> parameters,
                                        CompletionRequest& request);

}  // namespace r1
