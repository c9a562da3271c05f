// interrupt.h: Ctrl-C while a command works: the first press asks it to stop what it is doing, the second ends the
// program.
#pragma once

namespace r1 {

// While one lives, SIGINT is counted instead of doing what it did before.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  bool pressed() const;  // since the scope began

 private:
  void (*before_)(int);
};

}  // namespace r1
