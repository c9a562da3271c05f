// config_keys.cpp: a key at a time.
#include "train/config_keys.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace r1 {

ConfigKeys::ConfigKeys(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {
  if (!object.is_object()) fail(fmt::format("{}must be an object", prefix_));
}

std::optional<double> ConfigKeys::number_within(std::string_view key, bool whole, double low, double high) {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (whole ? !value->is_number_integer() : !value->is_number()) {
    fail(fmt::format("{}{} must be a {}, not {}", prefix_, key, whole ? "whole number" : "number", value->dump()));
    return std::nullopt;
  }
  const auto given = value->get<double>();
  if (given >= low && given <= high) return given;
  fail(fmt::format("{}{} is {}, must be {} to {}", prefix_, key, given, low, high));
  return std::nullopt;
}

void ConfigKeys::text(std::string_view key, std::string& field) {
  const Json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_string()) return fail(fmt::format("{}{} must be text, not {}", prefix_, key, value->dump()));
  field = value->get<std::string>();
}

void ConfigKeys::boolean(std::string_view key, bool& field) {
  const Json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_boolean()) return fail(fmt::format("{}{} must be true or false, not {}", prefix_, key, value->dump()));
  field = value->get<bool>();
}

const Json* ConfigKeys::find(std::string_view key) {
  known_.insert(std::string(key));
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

void ConfigKeys::fail(std::string message) {
  if (status_.ok()) status_ = Error{ErrorCode::kInvalidInput, std::move(message)};
}

Status ConfigKeys::finish() {
  for (const auto& [key, value] : object_.items()) {
    if (!known_.contains(key)) fail(fmt::format("{}{} is no key of this stage", prefix_, key));
  }
  return status_;
}

}  // namespace r1
