// units.h: bytes and times as people read them: "98.4 MB", "1:05:07".
#pragma once

#include <cstdint>
#include <string>

namespace r1 {

std::string format_bytes(std::int64_t bytes);       // decimal units, as disks and Hugging Face count; three digits
std::string format_duration(std::int64_t seconds);  // "0:09", "12:30", "1:05:07"

}  // namespace r1
