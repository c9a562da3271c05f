// countdown.cpp: make a target of given numbers, each used exactly once (Countdown's numbers game; the 24 game).
//
// A legal attempt combines two of the numbers by + - * /, puts the result in their place, and goes on until one is
// left; it stays in the whole numbers from 0 on, and multiplies up to 999 only. A target is what one random attempt
// gave, so it can be reached.
#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tasks/expression.h"
#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr int kMaxWrongAttempts = 4, kLargestProduct = 999, kSmallNumber = 25;

// {0}: the numbers, {1}: the target.
constexpr std::string_view kGameEn[] = {"Use {0} to make {1}.",
                                        "Make {1} from {0}.",
                                        "Using {0}, make {1}.",
                                        "Use the numbers {0} to reach {1}.",
                                        "Combine {0} to get {1}.",
                                        "How can you make {1} with {0}?",
                                        "Get {1} from {0}, using each number once."};
constexpr std::string_view kGameZh[] = {"用{0}得到{1}。", "用{0}算出{1}。", "用{0}凑出{1}。", "怎样用{0}得到{1}？",
                                        "用数字{0}，每个用一次，得到{1}。"};

struct Game {
  int n_numbers, largest, least_target, largest_target;
};
constexpr Game kThree = {3, 99, 10, 99}, kFour = {4, 25, 10, 99}, kTwentyFour = {4, 13, 24, 24};

struct Term {
  std::int64_t value;
  std::string text;  // in parentheses where it is compound
};

struct Attempt {
  std::int64_t value = 0;
  std::string steps, expression;  // "8*3=24 24+21=45", "(8*3)+21"
};

std::optional<std::int64_t> legal_result(char operation, std::int64_t a, std::int64_t b) {
  if (operation == '+') return a + b;
  if (operation == '*') return a * b <= kLargestProduct ? std::optional(a * b) : std::nullopt;
  if (operation == '-') return a >= b ? std::optional(a - b) : std::nullopt;
  return b != 0 && a % b == 0 ? std::optional(a / b) : std::nullopt;
}

// Uniform over the legal combinations of two terms, by drawing until one is legal: a sum always is.
void combine_two(Rng& rng, std::vector<Term>& terms, Attempt& attempt) {
  for (;;) {
    const std::size_t i = rng.below(terms.size()), j = rng.below(terms.size());
    const char operation = "+-*/"[rng.below(4)];
    if (i == j) continue;
    const Term a = terms[i], b = terms[j];
    const std::optional<std::int64_t> value = legal_result(operation, a.value, b.value);
    if (!value) continue;
    attempt.steps += fmt::format("{}{}{}{}={}", attempt.steps.empty() ? "" : " ", a.value, operation, b.value, *value);
    attempt.expression = fmt::format("{}{}{}", a.text, operation, b.text);
    terms[i] = {*value, "(" + attempt.expression + ")"};
    terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(j));
    return;
  }
}

Attempt random_attempt(Rng& rng, const std::vector<std::int64_t>& numbers) {
  std::vector<Term> terms;
  terms.reserve(numbers.size());
  for (const std::int64_t number : numbers) terms.push_back({number, std::to_string(number)});
  Attempt attempt;
  while (terms.size() > 1) combine_two(rng, terms, attempt);
  attempt.value = terms[0].value;
  return attempt;
}

struct Draw {
  std::vector<std::int64_t> numbers;
  Attempt solution;
};

// One game in three has small numbers, as people make them up.
Draw draw_game(Rng& rng, const Game& game) {
  for (;;) {
    Draw draw;
    const int largest = rng.below(3) == 0 ? std::min(game.largest, kSmallNumber) : game.largest;
    for (int i = 0; i < game.n_numbers; ++i) draw.numbers.push_back(draw_between(rng, 1, largest));
    draw.solution = random_attempt(rng, draw.numbers);
    if (draw.solution.value >= game.least_target && draw.solution.value <= game.largest_target) return draw;
  }
}

// The target is restated beside each value. In a trial with 0.8M parameters and all else equal, 20 % of claimed
// successes were true with the verdict right behind the value, 90 % so.
std::string search_lines(Rng& rng, const Draw& draw, Language language) {
  const std::int64_t target = draw.solution.value;
  std::string lines;
  for (int n_wrong = draw_between(rng, 0, kMaxWrongAttempts); n_wrong > 0; --n_wrong) {
    const Attempt attempt = random_attempt(rng, draw.numbers);
    if (attempt.value == target) break;
    lines += fmt::format("{} {}?{} {}\n", attempt.steps, attempt.value, target, in_language(language, "no", "不对"));
  }
  return lines + fmt::format("{} {}?{} {}\n", draw.solution.steps, target, target, in_language(language, "yes", "对"));
}

std::string listed(Rng& rng, Language language, const std::vector<std::int64_t>& numbers) {
  const std::string_view separator = in_language(language, ", ", "、");
  if (rng.below(3) != 0) return fmt::format("{}", fmt::join(numbers, separator));
  return fmt::format("{}{}{}", fmt::join(std::span(numbers).first(numbers.size() - 1), separator),
                     in_language(language, " and ", "和"), numbers.back());
}

template <const Game& game>
Problem draw_countdown(Rng& rng) {
  const Draw draw = draw_game(rng, game);
  const std::int64_t target = draw.solution.value;
  const std::string numbers = fmt::format("{}", fmt::join(draw.numbers, ","));
  std::vector<std::int64_t> sorted = draw.numbers;
  std::sort(sorted.begin(), sorted.end());
  Problem problem;
  problem.language = draw_language(rng);
  problem.prompt = fmt::format(fmt::runtime(draw_form(rng, problem.language, kGameEn, kGameZh)),
                               listed(rng, problem.language, draw.numbers), target);
  problem.key = fmt::format("countdown {} {}", fmt::join(sorted, " "), target);
  problem.answer = fmt::format("{}={}", draw.solution.expression, target);
  problem.trace = written_trace(fmt::format("{} {}\n", numbers, target) + search_lines(rng, draw, problem.language),
                                problem.answer);
  return problem;
}

// "countdown 3 8 21 45" as {3, 8, 21, 45}: what a grader needs is in the key.
std::vector<std::int64_t> numbers_in_key(std::string_view key) {
  std::vector<std::int64_t> numbers;
  for (std::size_t at = key.find(' '); at != key.npos; at = key.find(' ', at + 1))
    numbers.push_back(std::atoll(key.data() + at + 1));
  return numbers;
}

bool makes_target(const Problem& problem, std::string_view answer) {
  std::vector<std::int64_t> numbers = numbers_in_key(problem.key);
  const std::int64_t target = numbers.back();
  numbers.pop_back();
  const std::size_t equals = answer.find('=');
  if (equals != answer.npos) {
    const std::optional<Expression> claimed = parse_expression(answer.substr(equals + 1));
    if (!claimed || claimed->numbers != std::vector{target}) return false;
  }
  std::optional<Expression> expression = parse_expression(answer.substr(0, equals));
  if (!expression || expression->value != Rational{target, 1}) return false;
  std::sort(expression->numbers.begin(), expression->numbers.end());
  return expression->numbers == numbers;
}

template <const Game& game>
double chance_of_random_attempt() {
  constexpr int kGames = 1000, kAttempts = 50;
  Rng rng(24, static_cast<std::uint64_t>(game.n_numbers * 100 + game.largest));
  int n_right = 0;
  for (int i = 0; i < kGames; ++i) {
    const Draw draw = draw_game(rng, game);
    for (int k = 0; k < kAttempts; ++k) n_right += random_attempt(rng, draw.numbers).value == draw.solution.value;
  }
  return static_cast<double>(n_right) / (kGames * kAttempts);
}

// Multisets of the numbers by targets: an upper bound, for not every target can be reached.
constexpr double space(const Game& game) {
  double n = 1;
  for (int i = 0; i < game.n_numbers; ++i) n = n * (game.largest + i) / (i + 1);
  return n * (game.largest_target - game.least_target + 1);
}

}  // namespace

const Task kCountdown3 = {.name = "countdown3",
                          .summary = "a target from 3 numbers up to 99",
                          .draw = draw_countdown<kThree>,
                          .is_right = makes_target,
                          .n_problems = space(kThree),
                          .random_attempt_chance = chance_of_random_attempt<kThree>};
const Task kCountdown4 = {.name = "countdown4",
                          .summary = "a target from 4 numbers up to 25",
                          .draw = draw_countdown<kFour>,
                          .is_right = makes_target,
                          .n_problems = space(kFour),
                          .random_attempt_chance = chance_of_random_attempt<kFour>};
const Task kGame24 = {.name = "game24",
                      .summary = "24 from 4 numbers up to 13",
                      .draw = draw_countdown<kTwentyFour>,
                      .is_right = makes_target,
                      .n_problems = space(kTwentyFour),
                      .random_attempt_chance = chance_of_random_attempt<kTwentyFour>};

}  // namespace r1
