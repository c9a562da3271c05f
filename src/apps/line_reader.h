// line_reader.h: lines from a person: editing and history on a terminal (libedit), plain lines from anything else.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace r1 {

class LineReader {
 public:
  // `history_path`: kept between runs; "": not kept.
  explicit LineReader(std::string history_path);
  ~LineReader();

  // A line without its end; nothing at the end of input. Ctrl-C gives an empty line, and interrupted() until the next.
  std::optional<std::string> read(const std::string& prompt);
  bool interrupted() const;
  void remember(const std::string& text);

 private:
  struct Terminal;
  std::unique_ptr<Terminal> terminal_;  // null: stdin is not a terminal
};

}  // namespace r1
