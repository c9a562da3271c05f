// tasks_fuzz.cpp: libFuzzer on the graders of src/tasks; `make fuzz F=tasks`. The first byte chooses the task and the
// second the problem; the rest is what was answered, as it is, and as the answer after well-formed thinking.
#include <cstdlib>
#include <string>

#include "tasks/registry.h"

namespace r1 {
namespace {

void check(const Reward& reward) {
  const bool in_bounds = (reward.accuracy == 0 || reward.accuracy == 1) && (reward.format == 0 || reward.format == 1) &&
                         reward.language >= 0 && reward.language <= 1;
  if (!in_bounds) std::abort();
}

void grade(unsigned char choice, unsigned char index, std::string_view text) {
  const Task& task = *all_tasks()[choice % all_tasks().size()];
  const Problem problem = task.sample(Split::kTrain, index);
  check(task.grade(problem, text));
  check(task.grade(problem, "<think>\n</think>\n\n" + std::string(text)));
  if (task.grade(problem, problem.trace).accuracy != 1) std::abort();
}

}  // namespace
}  // namespace r1

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t n_bytes) {
  if (n_bytes < 2) return 0;
  r1::grade(data[0], data[1], {reinterpret_cast<const char*>(data) + 2, n_bytes - 2});
  return 0;
}
