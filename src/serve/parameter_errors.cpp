// parameter_errors.cpp: messages that name the parameter.
#include "serve/parameter_errors.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace r1 {

ApiError wrong_type(std::string_view param, std::string_view wanted, const Json& got) {
  return {400, fmt::format("'{}' must be {}, not {}", param, wanted, got.type_name()), std::string(param),
          "invalid_type"};
}

ApiError out_of_range(std::string_view param, std::string_view wanted) {
  return {422, fmt::format("'{}' must be {}", param, wanted), std::string(param), "out_of_range"};
}

ApiError unsupported(std::string_view param, std::string_view message) {
  return {400, std::string(message), std::string(param), "unsupported"};
}

}  // namespace r1
