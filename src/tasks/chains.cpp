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
  std::string_view english[2], chinese[2];  // by style: told, or ordered
};
constexpr Operation kOperations[] = {{'+', {"plus", "add"}, {"加上", "再加"}},
                                     {'-', {"minus", "subtract"}, {"减去", "再减"}},
                                     {'*', {"times", "multiply by"}, {"乘以", "再乘"}},
                                     {'/', {"divided by", "divide by"}, {"除以", "再除以"}}};
constexpr std::string_view kBeginEn[] = {"Begin with {}", "Start with {}", "Take {}"};
constexpr std::string_view kBeginZh[] = {"从{}开始", "先取{}", "以{}开始"};
constexpr std::string_view kEndEn[] = {". What is the result?", ". What do you get?", ", what is the result?"};
constexpr std::string_view kEndZh[] = {"，得多少？", "，结果是多少？", "，等于多少？"};

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
  problem.prompt = fmt::format(fmt::runtime(draw_form(rng, problem.language, kBeginEn, kBeginZh)), value);
  const std::uint64_t style = rng.below(2);
  std::string lines;
  for (int n = draw_between(rng, 2, kLongest), i = 0; i < n;) {
    const std::optional<Step> step = draw_step(rng, value);
    if (!step) continue;
    ++i;
    const Operation& operation = *step->operation;
    problem.key += fmt::format(" {}{}", operation.sign, step->operand);
    problem.prompt += problem.language == Language::kEnglish
                          ? fmt::format(", {} {}", operation.english[style], step->operand)
                          : fmt::format("，{}{}", operation.chinese[style], step->operand);
    lines += fmt::format("{}{}{}={}\n", value, operation.sign, step->operand, step->value);
    value = step->value;
  }
  problem.prompt += draw_form(rng, problem.language, kEndEn, kEndZh);
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
