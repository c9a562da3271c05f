// standard_streams.h: stdin and stdout with their failures reported.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace r1 {

Result<std::string> read_stdin();  // all of it
Status write_stdout(std::string_view bytes);
Status flush_stdout();

// Fit for one line of stderr: names come from files and command lines, and may hold newlines, or escapes that would
// command the terminal.
std::string on_one_line(std::string_view text);

}  // namespace r1
