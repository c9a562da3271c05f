// json.h: JSON from people and files, behind limits: no exceptions, no deep recursion, errors that name the field.
//
// nlohmann-json is the library; this is its door for parsing. Include <nlohmann/json.hpp> only in .cpp files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace r1 {

using Json = nlohmann::json;                 // object keys sorted
using OrderedJson = nlohmann::ordered_json;  // object keys as written: for what people and clients read

struct JsonLimits {
  int max_depth = 64;
  std::int64_t max_bytes = std::int64_t{256} << 20;
};

// `what` names the text in errors: "config.json".
Result<Json> parse_json(std::string_view text, std::string_view what, JsonLimits limits = {});
Result<Json> read_json_file(const std::string& path, JsonLimits limits = {});

// A field of an object: absent or null gives the default; a wrong type or a value out of range is an Error that names
// it.
Result<std::int64_t> json_int(const Json& object, std::string_view key, std::int64_t fallback);
Result<double> json_number(const Json& object, std::string_view key, double fallback);
Result<bool> json_bool(const Json& object, std::string_view key, bool fallback);
Result<std::string> json_string(const Json& object, std::string_view key, std::string_view fallback);

}  // namespace r1
