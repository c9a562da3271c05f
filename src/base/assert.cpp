// assert.cpp: how a broken invariant ends the process.
#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace r1 {

void assertion_failed(const char* condition, const char* message, const char* file, int line) {
  std::fprintf(stderr, "r1: bug: %s (%s) at %s:%d\n", condition, message, file, line);
  std::abort();
}

}  // namespace r1
