// chains.cpp: a number and what is done to it, step by step: the small sums of which the other tasks' thoughts are
// made, many to a problem.
#include <array>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr int kLeast = -300, kMost = 999, kLongest = 6, kMostFactor = 12, kMostFactored = 120;

struct Operation {
  char sign;
  std::string_view english, chinese;
};
constexpr Operation kOperations[] = {
    {'+', "plus", "加上"}, {'-', "minus", "减去"}, {'*', "times", "乘以"}, {'/', "divided by", "除以"}};

struct Step {
  const Operation* operation;
  int operand, value;
};

// Nothing where the value leaves the range, or is no whole number.
std::optional<Step> draw_step(Rng& rng, int before) {
  const Operation& operation = draw_one(rng, kOperations);
  const bool is_sum = operation.sign == '+' || operation.sign == '-';
  const int operand = !is_sum             ? draw_between(rng, 2, kMostFactor)
                      : rng.below(3) == 0 ? draw_between(rng, 100, 400)
                                          : draw_between(rng, 1, 99);
  if (operation.sign == '/' && before % operand != 0) return std::nullopt;
  if (operation.sign == '*' && std::abs(before) > kMostFactored) return std::nullopt;
  const int value = operation.sign == '+'   ? before + operand
                    : operation.sign == '-' ? before - operand
                    : operation.sign == '*' ? before * operand
                                            : before / operand;
  if (value < kLeast || value > kMost) return std::nullopt;
  return Step{&operation, operand, value};
}

Problem draw_chain(Rng& rng) {
  Problem problem;
  problem.language = draw_language(rng);
  int value = draw_between(rng, 0, 99);
  problem.key = fmt::format("chain {}", value);
  problem.prompt = fmt::format(fmt::runtime(in_language(problem.language, "Begin with {}", "从{}开始")), value);
  std::string lines;
  for (int n = draw_between(rng, 2, kLongest), i = 0; i < n;) {
    const std::optional<Step> step = draw_step(rng, value);
    if (!step) continue;
    ++i;
    const Operation& operation = *step->operation;
    problem.key += fmt::format(" {}{}", operation.sign, step->operand);
    problem.prompt += problem.language == Language::kEnglish ? fmt::format(", {} {}", operation.english, step->operand)
                                                             : fmt::format("，{}{}", operation.chinese, step->operand);
    lines += fmt::format("{}{}{}={}\n", value, operation.sign, step->operand, step->value);
    value = step->value;
  }
  problem.prompt += in_language(problem.language, ". What is the result?", "，得多少？");
  problem.answer = std::to_string(value);
  problem.trace = written_trace(lines, problem.answer);
  return problem;
}

}  // namespace

const Task kChains = {.name = "chains",
                      .summary = "a number, and two to six steps of arithmetic from it",
                      .draw = draw_chain,
                      .is_right = is_same_number,
                      .n_problems = 100.0 * 400 * 400};  // at least: a gain and a loss alone

}  // namespace r1
