// log.cpp: the only file that includes spdlog.
#include "base/log.h"

#include <atomic>
#include <memory>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

namespace r1 {
namespace {

std::atomic<LogFormat> g_format = LogFormat::kText;

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = spdlog::stderr_color_mt("r1");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
    return made;
  }();
  return *instance;
}

bool is_key_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Without what looks like an API key of anybody's: "sk-" and 8 letters or more.
std::string without_keys(std::string_view text) {
  constexpr std::string_view kPrefix = "sk-";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t key = text.find(kPrefix, at);
    if (key == std::string_view::npos) return out.append(text.substr(at));
    std::size_t end = key + kPrefix.size();
    while (end < text.size() && is_key_letter(text[end])) ++end;
    out.append(text.substr(at, key - at));
    out.append(end - key >= kPrefix.size() + 8 ? "sk-***" : text.substr(key, end - key));
    at = end;
  }
  return out;
}

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string value_text(const LogField& field, LogFormat format) {
  if (const auto* number = std::get_if<std::int64_t>(&field.value)) return fmt::format("{}", *number);
  if (const auto* flag = std::get_if<bool>(&field.value)) return *flag ? "true" : "false";
  const std::string text = without_keys(std::get<std::string_view>(field.value));
  return format == LogFormat::kJson ? json_text(text) : text;
}

void write(spdlog::level::level_enum level, std::string_view message, std::initializer_list<LogField> fields) {
  if (logger().should_log(level)) logger().log(level, "{}", log_text(g_format, message, fields));
}

}  // namespace

void set_log_level(LogLevel level) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                   spdlog::level::err, spdlog::level::off};
  logger().set_level(kLevels[static_cast<int>(level)]);
}

void set_log_format(LogFormat format) {
  g_format = format;
  if (format == LogFormat::kText)
    logger().set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  else
    logger().set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc);
}

std::string log_text(LogFormat format, std::string_view message, std::initializer_list<LogField> fields) {
  const bool is_json = format == LogFormat::kJson;
  const std::string safe = without_keys(message);
  std::string text = is_json ? "\"message\":" + json_text(safe) : safe;
  for (const LogField& field : fields) {
    text += is_json ? fmt::format(",\"{}\":", field.name) : fmt::format(" {}=", field.name);
    text += value_text(field, format);
  }
  return text;
}

void log_debug(std::string_view message) { write(spdlog::level::debug, message, {}); }
void log_info(std::string_view message, std::initializer_list<LogField> fields) {
  write(spdlog::level::info, message, fields);
}
void log_warning(std::string_view message) { write(spdlog::level::warn, message, {}); }
void log_error(std::string_view message, std::initializer_list<LogField> fields) {
  write(spdlog::level::err, message, fields);
}

}  // namespace r1
