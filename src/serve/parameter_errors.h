// parameter_errors.h: the ways a parameter can be wrong, as all that read one say it.
#pragma once

#include <optional>
#include <string_view>

#include "base/json.h"
#include "serve/completion_request.h"

namespace r1 {

using MaybeError = std::optional<ApiError>;

ApiError wrong_type(std::string_view param, std::string_view wanted, const Json& got);  // 400
ApiError out_of_range(std::string_view param, std::string_view wanted);                 // 422
ApiError unsupported(std::string_view param, std::string_view message);                 // 400

}  // namespace r1
