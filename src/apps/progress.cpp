// progress.cpp: drawing at most ten times a second; the rate is an average that forgets with a few seconds.
#include "apps/progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "apps/units.h"
#include "base/clock.h"

namespace r1 {
namespace {

constexpr std::int64_t kDrawMs = 100, kRateMs = 250;
constexpr double kForgetS = 4;

}  // namespace

PullProgress PullProgress::for_stderr() {
  return PullProgress(::isatty(STDERR_FILENO) != 0 ? Style::kTerminal : Style::kLines);
}

void PullProgress::begin_pull(std::int64_t total_bytes, std::int64_t bytes_here) {
  total_bytes_ = total_bytes;
  done_bytes_ = 0;
  if (bytes_here > 0)
    note(fmt::format("continuing: {} of {} are here", format_bytes(bytes_here), format_bytes(total_bytes)));
}

void PullProgress::begin_file(std::string_view name, std::int64_t bytes_here) {
  name_ = name;
  file_bytes_ = bytes_here;
  rate_at_ms_ = monotonic_ms();
  rate_moved_bytes_ = moved_bytes_;
}

void PullProgress::at(std::int64_t file_bytes) {
  // A restart from the first byte moves backwards; those bytes are counted again when they come again.
  if (file_bytes > file_bytes_) moved_bytes_ += file_bytes - file_bytes_;
  file_bytes_ = file_bytes;
  draw("");
}

void PullProgress::checking(std::int64_t file_bytes) {
  file_bytes_ = file_bytes;
  draw("checking ");
}

void PullProgress::end_file(std::string_view outcome) {
  if (!outcome.empty()) note(fmt::format("{}  {}  {}", name_, format_bytes(file_bytes_), outcome));
  done_bytes_ += file_bytes_;
  file_bytes_ = 0;
}

void PullProgress::note(std::string_view text) {
  if (style_ == Style::kSilent) return;
  clear_line();
  fmt::print(stderr, "{}\n", text);
}

void PullProgress::measure_rate(std::int64_t now) {
  const std::int64_t elapsed_ms = now - rate_at_ms_;
  if (elapsed_ms < kRateMs) return;
  const double seconds = static_cast<double>(elapsed_ms) / 1000;
  const double rate = static_cast<double>(moved_bytes_ - rate_moved_bytes_) / seconds;
  const double weight = bytes_per_s_ == 0 ? 1 : 1 - std::exp(-seconds / kForgetS);
  bytes_per_s_ += weight * (rate - bytes_per_s_);
  rate_at_ms_ = now;
  rate_moved_bytes_ = moved_bytes_;
}

void PullProgress::draw(std::string_view verb) {
  if (style_ != Style::kTerminal) return;
  const std::int64_t now = monotonic_ms();
  measure_rate(now);
  if (now - drawn_at_ms_ < kDrawMs) return;
  drawn_at_ms_ = now;
  const std::int64_t here = done_bytes_ + file_bytes_;
  const double percent = total_bytes_ == 0 ? 0 : 100 * static_cast<double>(here) / static_cast<double>(total_bytes_);
  std::string line = fmt::format("{}{}  {:.0f} %  {} of {}", verb, name_, std::floor(percent), format_bytes(here),
                                 format_bytes(total_bytes_));
  if (verb.empty() && bytes_per_s_ >= 1) {
    const double left_s = static_cast<double>(total_bytes_ - here) / bytes_per_s_;
    line += fmt::format("  {}/s  {} left", format_bytes(static_cast<std::int64_t>(bytes_per_s_)),
                        left_s > 360'000 ? "days" : format_duration(static_cast<std::int64_t>(left_s)));
  }
  fmt::print(stderr, "\r{}\x1b[K", line);
  std::fflush(stderr);
  line_is_drawn_ = true;
}

void PullProgress::clear_line() {
  if (line_is_drawn_) fmt::print(stderr, "\r\x1b[K");
  line_is_drawn_ = false;
}

}  // namespace r1
