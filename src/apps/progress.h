// progress.h: what a pull says while it works, on stderr: one changing line on a terminal, a line a file elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace r1 {

class PullProgress {
 public:
  enum class Style { kSilent, kLines, kTerminal };

  explicit PullProgress(Style style) : style_(style) {}
  static PullProgress for_stderr();  // kTerminal when stderr is one

  void begin_pull(std::int64_t total_bytes, std::int64_t bytes_here);
  void begin_file(std::string_view name, std::int64_t bytes_here);  // bytes_here: kept from an earlier run
  void at(std::int64_t file_bytes);                                 // of the current file, while they arrive
  void checking(std::int64_t file_bytes);                           // while kept bytes are read again
  void end_file(std::string_view outcome);                          // "verified"; says nothing when empty
  void note(std::string_view text);                                 // a line of its own

 private:
  void draw(std::string_view verb);
  void clear_line();
  void measure_rate(std::int64_t now_ms);

  Style style_;
  std::string name_;
  std::int64_t total_bytes_ = 0, done_bytes_ = 0;  // of the whole pull; done: up to the current file
  std::int64_t file_bytes_ = 0, moved_bytes_ = 0;  // moved: over the network in this run
  std::int64_t drawn_at_ms_ = 0, rate_at_ms_ = 0, rate_moved_bytes_ = 0;
  double bytes_per_s_ = 0;
  bool line_is_drawn_ = false;
};

}  // namespace r1
