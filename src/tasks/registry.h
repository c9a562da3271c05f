// registry.h: the tasks by name. A new one is a file that defines its Task, a line here and one in registry.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tasks/task.h"

namespace r1 {

extern const Task kAddition, kSubtraction, kMultiplication, kProducts;
extern const Task kCountdown3, kCountdown4, kGame24;
extern const Task kChains, kExpressions, kEquations, kWordProblems, kDecimals, kComparisons, kLetters, kDates,
    kSequences, kLogic, kChat;

std::span<const Task* const> all_tasks();
Result<const Task*> find_task(std::string_view name);  // the Error lists the names

}  // namespace r1
