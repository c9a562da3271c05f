// json.cpp: nlohmann-json without exceptions and without unbounded depth.
#include "base/json.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace r1 {
namespace {

// Deep nesting is counted on the text, before the parser builds anything: strings are skipped, brackets counted.
bool nests_deeper_than(std::string_view text, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

const Json* field(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Error wrong_type(std::string_view key, std::string_view wanted, const Json& got) {
  return {ErrorCode::kInvalidInput, fmt::format("'{}' must be {}, not {}", key, wanted, got.type_name())};
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what, JsonLimits limits) {
  if (static_cast<std::int64_t>(text.size()) > limits.max_bytes) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("{}: {} bytes of JSON, at most {} are read", what, text.size(), limits.max_bytes)};
  }
  if (nests_deeper_than(text, limits.max_depth)) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{}: JSON nested deeper than {}", what, limits.max_depth)};
  }
  try {
    return Json::parse(text);
  } catch (const Json::exception& problem) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{}: not valid JSON: {}", what, problem.what())};
  }
}

Result<Json> read_json_file(const std::string& path, JsonLimits limits) {
  R1_TRY(const std::string text, read_file(path, limits.max_bytes));
  return parse_json(text, path, limits);
}

Result<std::int64_t> json_int(const Json& object, std::string_view key, std::int64_t fallback) {
  const Json* value = field(object, key);
  if (value == nullptr) return fallback;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX) {
    return Error{ErrorCode::kInvalidInput, fmt::format("'{}' is {}, too large", key, value->dump())};
  }
  if (value->is_number_integer()) return value->get<std::int64_t>();
  if (value->is_number_float()) {  // 1.0 is an integer to many writers
    const double number = value->get<double>();
    if (number == std::floor(number) && std::fabs(number) < 0x1p53) return static_cast<std::int64_t>(number);
  }
  return wrong_type(key, "an integer", *value);
}

Result<double> json_number(const Json& object, std::string_view key, double fallback) {
  const Json* value = field(object, key);
  if (value == nullptr) return fallback;
  if (!value->is_number()) return wrong_type(key, "a number", *value);
  return value->get<double>();
}

Result<bool> json_bool(const Json& object, std::string_view key, bool fallback) {
  const Json* value = field(object, key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) return wrong_type(key, "true or false", *value);
  return value->get<bool>();
}

Result<std::string> json_string(const Json& object, std::string_view key, std::string_view fallback) {
  const Json* value = field(object, key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) return wrong_type(key, "a string", *value);
  return value->get<std::string>();
}

}  // namespace r1
