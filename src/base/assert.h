// assert.h: R1_ASSERT for broken invariants, which are bugs of ours and end the process. Never used on input.
#pragma once

namespace r1 {

// Prints both texts with the place to stderr and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* message, const char* file, int line);

}  // namespace r1

// Always on, also in release builds: a wrong answer is worse than none.
#define R1_ASSERT(condition, message) \
  (__builtin_expect(!(condition), 0) ? ::r1::assertion_failed(#condition, message, __FILE__, __LINE__) : (void)0)

// For inner loops: on where NDEBUG is not defined (dev and sanitizer builds).
#ifdef NDEBUG
#define R1_DCHECK(condition) ((void)0)
#else
#define R1_DCHECK(condition) R1_ASSERT(condition, "")
#endif
