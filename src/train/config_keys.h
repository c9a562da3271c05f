// config_keys.h: reads the keys of one JSON object into fields; the first thing that is wrong is remembered. Keys that
// nobody asked for are wrong too.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/json.h"
#include "base/result.h"

namespace r1 {

class ConfigKeys {
 public:
  // `prefix` stands before keys in errors. The object must outlive this.
  ConfigKeys(const Json& object, std::string prefix);

  // An absent key leaves its field as it is.
  template <typename T>
  void number(std::string_view key, T& field, double low, double high) {
    if (const auto given = number_within(key, std::is_integral_v<T>, low, high)) field = static_cast<T>(*given);
  }
  void text(std::string_view key, std::string& field);
  void boolean(std::string_view key, bool& field);
  const Json* find(std::string_view key);  // null: absent

  void fail(std::string message);
  Status finish();

 private:
  // Whole numbers are exact up to 2^53; no bound is beyond.
  std::optional<double> number_within(std::string_view key, bool whole, double low, double high);

  const Json& object_;
  std::string prefix_;
  std::set<std::string, std::less<>> known_;
  Status status_;
};

}  // namespace r1
