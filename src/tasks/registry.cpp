// registry.cpp: the list of tasks.
#include "tasks/registry.h"

namespace r1 {
namespace {

constexpr const Task* kTasks[] = {
    &kAddition,    &kSubtraction, &kMultiplication, &kProducts,  &kCountdown3,   &kCountdown4,
    &kGame24,      &kChains,      &kExpressions,    &kEquations, &kWordProblems, &kDecimals,
    &kComparisons, &kLetters,     &kDates,          &kSequences, &kLogic,        &kChat,
};

}  // namespace

std::span<const Task* const> all_tasks() { return kTasks; }

Result<const Task*> find_task(std::string_view name) {
  std::string names;
  for (const Task* task : kTasks) {
    if (task->name == name) return task;
    names += (names.empty() ? "" : ", ") + std::string(task->name);
  }
  return Error{ErrorCode::kNotFound, "no task is called '" + std::string(name) + "'; there are " + names};
}

}  // namespace r1
