// json_writer.h: JSON written by appending, for what is sent once a token: no tree, no allocation beyond the output.
#pragma once

#include <string>
#include <string_view>

namespace r1 {

// In quotes and escaped. Bytes that are not UTF-8 become U+FFFD: what leaves here is always valid JSON.
void append_json_string(std::string& out, std::string_view text);

}  // namespace r1
