// log.h: log lines to stderr, for people or as JSON. spdlog is behind this door.
//
// Prompts never pass through it: who logs a request names the route, not what was sent. Keys must not either, and
// should one do so all the same, it is blotted out here.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace r1 {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat {
  kText,  // 2026-01-31T12:00:00.000 info answered status=200
  kJson,  // {"time":"2026-01-31T12:00:00.000Z","level":"info","message":"answered","status":200}
};

struct LogField {
  std::string_view name;  // a word; not time, level or message
  std::variant<std::string_view, std::int64_t, bool> value;
};

void set_log_level(LogLevel level);     // default kInfo
void set_log_format(LogFormat format);  // default kText
void log_debug(std::string_view message);
void log_info(std::string_view message, std::initializer_list<LogField> fields = {});
void log_warning(std::string_view message);
void log_error(std::string_view message, std::initializer_list<LogField> fields = {});

// The text of a line without its time and level.
std::string log_text(LogFormat format, std::string_view message, std::initializer_list<LogField> fields);

}  // namespace r1
