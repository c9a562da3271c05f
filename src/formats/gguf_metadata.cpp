// gguf_metadata.cpp: typed access to a GGUF file's key-value pairs.
#include <fmt/format.h>

#include "formats/gguf.h"

namespace r1 {
namespace {

std::string_view array_kind(const GgufArray& array) {
  constexpr std::string_view kNames[] = {"an array of integers", "an array of numbers", "an array of strings",
                                         "an array of booleans"};
  return kNames[array.values.index()];
}

std::string_view kind(const GgufValue& value) {
  constexpr std::string_view kNames[] = {"an integer", "an integer", "a number", "true or false", "a string"};
  if (const auto* array = std::get_if<GgufArray>(&value)) return array_kind(*array);
  return kNames[value.index()];
}

Error missing(std::string_view key) { return {ErrorCode::kNotFound, fmt::format("the metadata has no key '{}'", key)}; }

Error wrong_kind(std::string_view key, std::string_view wanted, const GgufValue& value) {
  return {ErrorCode::kInvalidInput, fmt::format("metadata key '{}' must be {}, but is {}", key, wanted, kind(value))};
}

Result<std::int64_t> as_integer(std::string_view key, const GgufValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  const auto* number = std::get_if<std::uint64_t>(&value);
  if (number == nullptr) return wrong_kind(key, "an integer", value);
  if (*number > INT64_MAX) {
    return Error{ErrorCode::kInvalidInput, fmt::format("metadata key '{}' is {}, too large", key, *number)};
  }
  return static_cast<std::int64_t>(*number);
}

Result<double> as_number(std::string_view key, const GgufValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*number);
  return wrong_kind(key, "a number", value);
}

Result<std::string> as_string(std::string_view key, const GgufValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return wrong_kind(key, "a string", value);
}

template <typename T>
Result<const std::vector<T>*> as_array(std::string_view key, std::string_view wanted, const GgufValue& value) {
  if (const auto* array = std::get_if<GgufArray>(&value)) {
    if (const auto* values = std::get_if<std::vector<T>>(&array->values)) return values;
  }
  return wrong_kind(key, wanted, value);
}

}  // namespace

std::size_t GgufArray::size() const {
  return std::visit([](const auto& list) { return list.size(); }, values);
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void GgufMetadata::erase(std::string_view key) {
  if (const auto found = values_.find(key); found != values_.end()) values_.erase(found);
}

Result<std::int64_t> GgufMetadata::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(key);
  return as_integer(key, *value);
}
Result<std::int64_t> GgufMetadata::integer(std::string_view key, std::int64_t fallback) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return fallback;
  return as_integer(key, *value);
}
Result<double> GgufMetadata::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(key);
  return as_number(key, *value);
}
Result<double> GgufMetadata::number(std::string_view key, double fallback) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return fallback;
  return as_number(key, *value);
}
Result<bool> GgufMetadata::boolean(std::string_view key, bool fallback) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return fallback;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  return wrong_kind(key, "true or false", *value);
}
Result<std::string> GgufMetadata::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(key);
  return as_string(key, *value);
}
Result<std::string> GgufMetadata::string(std::string_view key, std::string_view fallback) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::string(fallback);
  return as_string(key, *value);
}
Result<const std::vector<std::string>*> GgufMetadata::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(key);
  return as_array<std::string>(key, "an array of strings", *value);
}
Result<const std::vector<std::int64_t>*> GgufMetadata::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(key);
  return as_array<std::int64_t>(key, "an array of integers", *value);
}

}  // namespace r1
