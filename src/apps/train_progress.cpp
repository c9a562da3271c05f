// train_progress.cpp: seldom enough to cost nothing.
#include "apps/train_progress.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include <fmt/format.h>

namespace r1 {
namespace {

std::string time_left(double seconds) {
  const auto whole = static_cast<long>(seconds);
  return whole < 120 ? fmt::format("{} s", whole) : fmt::format("{} min", whole / 60);
}

}  // namespace

void print_progress(const StageProgress& p) {
  using Clock = std::chrono::steady_clock;
  static Clock::time_point printed;  // of the one thread that trains
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1, is_last = p.step == p.n_steps;
  const auto pause = is_terminal ? std::chrono::milliseconds(200) : std::chrono::milliseconds(10000);
  if (!is_last && Clock::now() - printed < pause) return;
  printed = Clock::now();
  fmt::print(stderr, "{}{} {}/{}, {:.0f} tokens/s, {} left: {}{}", is_terminal ? "\r\x1b[K" : "", p.stage, p.step,
             p.n_steps, p.tokens_per_second, time_left(p.seconds_left), p.summary, is_terminal && !is_last ? "" : "\n");
}

}  // namespace r1
