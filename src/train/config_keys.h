// config_keys.h: reads the keys of one JSON object into fields; the first thing that is wrong is remembered. Keys that
// nobody asked for are wrong too. For .cpp files: it brings nlohmann-json along.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/result.h"

namespace r1 {

class ConfigKeys {
 public:
  ConfigKeys(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {
    if (!object.is_object()) fail(fmt::format("{}must be an object", prefix_));
  }

  template <typename T>
  void number(std::string_view key, T& field, double low, double high) {
    const Json* value = find(key);
    if (value == nullptr) return;
    const bool whole = std::is_integral_v<T>;
    if (whole ? !value->is_number_integer() : !value->is_number()) {
      return fail(
          fmt::format("{}{} must be a {}, not {}", prefix_, key, whole ? "whole number" : "number", value->dump()));
    }
    const double given = value->get<double>();
    if (!(given >= low && given <= high)) {
      return fail(fmt::format("{}{} is {}, must be {} to {}", prefix_, key, given, low, high));
    }
    field = value->get<T>();
  }
  void text(std::string_view key, std::string& field) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_string()) return fail(fmt::format("{}{} must be text, not {}", prefix_, key, value->dump()));
    field = value->get<std::string>();
  }
  void boolean(std::string_view key, bool& field) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_boolean())
      return fail(fmt::format("{}{} must be true or false, not {}", prefix_, key, value->dump()));
    field = value->get<bool>();
  }
  const Json* find(std::string_view key) {
    known_.insert(std::string(key));
    const auto found = object_.is_object() ? object_.find(key) : object_.end();
    return found == object_.end() || !object_.is_object() ? nullptr : &*found;
  }
  void fail(std::string message) {
    if (status_.ok()) status_ = Error{ErrorCode::kInvalidInput, std::move(message)};
  }
  Status finish() {
    for (const auto& [key, value] : object_.items()) {
      if (!known_.contains(key)) fail(fmt::format("{}{} is no key of this stage", prefix_, key));
    }
    return status_;
  }

 private:
  const Json& object_;
  std::string prefix_;
  std::set<std::string, std::less<>> known_;
  Status status_;
};

}  // namespace r1
