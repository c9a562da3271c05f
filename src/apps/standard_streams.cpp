// standard_streams.cpp: a full disk behind stdout is an Error, not silence.
#include "apps/standard_streams.h"

#include <algorithm>
#include <cstdio>

namespace r1 {

Result<std::string> read_stdin() {
  std::string text;
  char chunk[1 << 16];
  while (const std::size_t n = std::fread(chunk, 1, sizeof chunk, stdin)) text.append(chunk, n);
  if (std::ferror(stdin) != 0) return Error{ErrorCode::kIo, "reading the text from stdin failed"};
  return text;
}

Status write_stdout(std::string_view bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
  return flush_stdout();
}

std::string on_one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

Status flush_stdout() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  return Error{ErrorCode::kIo, "writing to stdout failed"};
}

}  // namespace r1
