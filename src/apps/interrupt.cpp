// interrupt.cpp: a flag that the signal sets.
#include "apps/interrupt.h"

#include <csignal>

namespace r1 {
namespace {

volatile std::sig_atomic_t g_presses = 0;

void count_press(int signal) {
  if (g_presses > 0) {  // nobody listened to the first: let the default take over
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  g_presses = 1;
}

}  // namespace

InterruptScope::InterruptScope() {
  g_presses = 0;
  before_ = std::signal(SIGINT, count_press);
}

InterruptScope::~InterruptScope() { std::signal(SIGINT, before_); }

bool InterruptScope::pressed() const { return g_presses > 0; }

}  // namespace r1
