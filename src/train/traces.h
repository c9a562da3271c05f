// traces.h: answers that a model wrote and a grader found right, a JSON object a line: {"task", "prompt", "written"}.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace r1 {

struct Trace {
  std::string task, prompt;
  std::string written;  // a whole answer, beginning with <think>
};

std::string to_json_line(const Trace& trace);  // with its line feed
// Errors: a line that is no such object, by its number; no lines.
Result<std::vector<Trace>> read_traces(const std::string& path);

}  // namespace r1
