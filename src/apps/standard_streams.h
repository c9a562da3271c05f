// standard_streams.h: stdin and stdout with their failures reported.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace r1 {

Result<std::string> read_stdin();  // all of it
Status write_stdout(std::string_view bytes);
Status flush_stdout();

}  // namespace r1
