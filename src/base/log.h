// log.h: log lines to stderr. spdlog is behind this door; prompts and keys never pass through it.
#pragma once

#include <string_view>

namespace r1 {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

void set_log_level(LogLevel level);  // default kInfo
void log_debug(std::string_view message);
void log_info(std::string_view message);
void log_warning(std::string_view message);
void log_error(std::string_view message);

}  // namespace r1
