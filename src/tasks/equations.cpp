// equations.cpp: linear equations in one unknown, a x + b = c x + d, with a whole solution.
#include <fmt/format.h>

#include "tasks/rational.h"
#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr int kMaxFactor = 12, kMaxConstant = 30, kMaxSolution = 20;
constexpr std::string_view kEquationEn[] = {
    "Solve {}.",     "Solve {} for x.",   "Solve for x: {}.", "Solve the equation {}.", "{}, x=?",
    "Find x if {}.", "If {}, what is x?", "What is x if {}?", "{}. What is x?",         "{}, solve for x."};
constexpr std::string_view kEquationZh[] = {"解方程{}。",      "解方程：{}。", "求x：{}。",         "已知{}，求x。",
                                            "{}，x等于多少？", "{}，求x。",    "如果{}，x是多少？", "{}，x=？"};

std::string side(int factor, int constant) {
  const std::string x = factor == 1 ? "x" : fmt::format("{}x", factor);
  if (factor == 0) return std::to_string(constant);
  return constant == 0 ? x : fmt::format("{}{:+}", x, constant);
}

// "3*5=15" and "15+7=22", a line each: a side with the solution in it.
std::string checked(int factor, int constant, int x) {
  std::string lines;
  if (factor > 1) lines += fmt::format("{}*{}={}\n", factor, x, factor * x);
  if (factor > 0 && constant != 0) lines += fmt::format("{}{:+}={}\n", factor * x, constant, factor * x + constant);
  return lines;
}

Problem draw_equation(Rng& rng) {
  const int c = rng.below(2) == 0 ? 0 : draw_between(rng, 1, kMaxFactor - 1);
  const int a = draw_between(rng, c + 1, kMaxFactor), b = draw_between(rng, -kMaxConstant, kMaxConstant);
  const int x = draw_between(rng, -kMaxSolution, kMaxSolution), d = (a - c) * x + b, value = a * x + b;
  const std::string equation = fmt::format("{}={}", side(a, b), side(c, d));

  Problem problem;
  problem.language = draw_language(rng);
  problem.prompt = fmt::format(fmt::runtime(draw_form(rng, problem.language, kEquationEn, kEquationZh)),
                               draw_notation(rng, equation));
  problem.key = fmt::format("linear {} {} {} {}", a, b, c, d);
  problem.answer = fmt::format("x={}", x);
  std::string lines = equation + "\n";
  if (c != 0) lines += fmt::format("{}-{}={}\n", a, c, a - c);
  lines += fmt::format("{}{:+}={}\n{}={}\n", d, -b, d - b, side(a - c, 0), d - b);
  if (a - c != 1) lines += fmt::format("{}/{}={}\n", d - b, a - c, x);
  lines += checked(a, b, x) + checked(c, d, x);
  lines += fmt::format("{0}?{0} {1}\n", value, in_language(problem.language, "yes", "对"));
  problem.trace = written_trace(lines, problem.answer);
  return problem;
}

// "x=5", "x = 10/2", or the number alone.
bool is_solution(const Problem& problem, std::string_view answer) {
  const std::size_t number = answer.starts_with('x') ? answer.find_first_not_of(" =", 1) : 0;
  if (number == answer.npos || number == 1) return false;
  const std::optional<Rational> given = parse_rational(answer.substr(number));
  return given && *given == parse_rational(problem.answer.substr(2));
}

}  // namespace

const Task kEquations = {.name = "equations",
                         .summary = "linear equations with whole solutions",
                         .draw = draw_equation,
                         .is_right = is_solution,
                         .n_problems = (12.0 + 66) * (2 * kMaxConstant + 1) * (2 * kMaxSolution + 1)};

}  // namespace r1
