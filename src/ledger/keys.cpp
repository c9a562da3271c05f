// keys.cpp: secrets, limits and names.
#include "ledger/keys.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace r1 {
namespace {

constexpr std::size_t kMaxNameBytes = 200, kMaxModels = 1000;

bool is_utf8(std::string_view text) {
  return !Json(text).dump(-1, ' ', false, Json::error_handler_t::ignore).empty() &&
         Json(text).dump(-1, ' ', false, Json::error_handler_t::ignore) ==
             Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Status check_limits(const KeyLimits& limits) {
  const std::array numbers = {limits.budget_nanousd, limits.requests_per_minute, limits.tokens_per_minute,
                              limits.max_concurrent, limits.expires_unix_ms};
  if (std::any_of(numbers.begin(), numbers.end(), [](std::int64_t number) { return number < 0; })) {
    return Error{ErrorCode::kInvalidInput, "a key's limit is negative"};
  }
  if (limits.models.size() > kMaxModels) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("a key for {} models; {} can be named", limits.models.size(), kMaxModels)};
  }
  for (const std::string& model : limits.models) R1_TRY_STATUS(check_name(model, "a key's model"));
  return {};
}

std::string to_json(const KeyDetail& detail) {
  const KeyLimits& limits = detail.limits;
  return OrderedJson({{"name", detail.name},
                      {"sha256", detail.sha256},
                      {"budget_nanousd", limits.budget_nanousd},
                      {"requests_per_minute", limits.requests_per_minute},
                      {"tokens_per_minute", limits.tokens_per_minute},
                      {"max_concurrent", limits.max_concurrent},
                      {"expires_unix_ms", limits.expires_unix_ms},
                      {"models", limits.models}})
      .dump();
}

Result<KeyDetail> parse_key_detail(std::string_view text) {
  R1_TRY(const Json json, parse_json(text, "the detail of a key", {.max_depth = 3, .max_bytes = 1 << 20}));
  KeyDetail detail;
  R1_TRY(detail.name, json_string(json, "name", ""));
  R1_TRY(detail.sha256, json_string(json, "sha256", ""));
  R1_TRY(detail.limits.budget_nanousd, json_int(json, "budget_nanousd", 0));
  R1_TRY(detail.limits.requests_per_minute, json_int(json, "requests_per_minute", 0));
  R1_TRY(detail.limits.tokens_per_minute, json_int(json, "tokens_per_minute", 0));
  R1_TRY(detail.limits.max_concurrent, json_int(json, "max_concurrent", 0));
  R1_TRY(detail.limits.expires_unix_ms, json_int(json, "expires_unix_ms", 0));
  const auto models = json.find("models");
  if (models != json.end() && models->is_array()) {
    for (const Json& model : *models) {
      if (model.is_string()) detail.limits.models.push_back(model.get<std::string>());
    }
  }
  return detail;
}

Result<std::string> make_secret() {
  std::array<unsigned char, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != std::ssize(bytes)) {
    return Error{ErrorCode::kIo,
                 fmt::format("making a key: the system gave no random bytes: {}", std::strerror(errno))};
  }
  std::string secret = "sk-r1-";
  for (const unsigned char byte : bytes) secret += fmt::format("{:02x}", byte);
  return secret;
}

Status check_name(std::string_view name, std::string_view what) {
  const auto is_control = [](char c) { return (c >= 0 && c < 32) || c == 127; };
  const bool fits = !name.empty() && name.size() <= kMaxNameBytes && std::none_of(name.begin(), name.end(), is_control);
  if (fits && is_utf8(name)) return {};
  return Error{ErrorCode::kInvalidInput,
               fmt::format("{} is 1 to {} bytes of UTF-8 without control characters; this one has {} bytes", what,
                           kMaxNameBytes, name.size())};
}

}  // namespace r1
