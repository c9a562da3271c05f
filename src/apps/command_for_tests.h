// command_for_tests.h: a command of r1, run within the test, and what it wrote.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "apps/commands.h"

namespace r1 {

struct CommandOutcome {
  int status = 0;
  std::string out, err;
};

inline CommandOutcome run_r1(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "r1");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = run_command_line(static_cast<int>(arguments.size()), arguments.data());
  return {status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

}  // namespace r1
