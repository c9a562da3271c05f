// writing.h: what the generators of all tasks write with.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tasks/task.h"

namespace r1 {

int draw_between(Rng& rng, int least, int most);  // both included
Language draw_language(Rng& rng);

template <typename T, std::size_t N>
const T& draw_one(Rng& rng, const T (&choices)[N]) {
  return choices[rng.below(N)];
}

inline std::string_view in_language(Language language, std::string_view english, std::string_view chinese) {
  return language == Language::kEnglish ? english : chinese;
}

// One of a task's ways to ask, in the language; what stands for {0}, {1} is the task's.
template <std::size_t N, std::size_t M>
std::string_view draw_form(Rng& rng, Language language, const std::string_view (&english)[N],
                           const std::string_view (&chinese)[M]) {
  return language == Language::kEnglish ? draw_one(rng, english) : draw_one(rng, chinese);
}

// An expression as people write it: in half of the draws spaces around signs that stand between two things
// ("3x + 7 = -25"), in a quarter "×" and "÷" for "*" and "/".
std::string draw_notation(Rng& rng, std::string_view expression);

// "<think>\nTHINKING</think>\n\nANSWER"; `thinking` is lines, each ended, or empty.
std::string written_trace(std::string_view thinking, std::string_view answer);

// A whole number with as many digits as drawn first, so that short ones are as frequent as long ones.
std::int64_t draw_by_digits(Rng& rng, int most_digits);

// Column arithmetic from the ones on, a line a digit: "3+7+0=10 | 0", "1+7+1=9 | 90". The digit that was carried, or
// borrowed, is the third number of the next line; behind the bar stands what is written so far.
std::string addition_lines(std::int64_t a, std::int64_t b);
std::string subtraction_lines(std::int64_t a, std::int64_t b);  // a >= b >= 0
std::string multiplication_lines(std::int64_t a, int digit);    // "7*6+1=43 | 38"
// Whole multiplication of a by b < 100, with its partial products and their sum.
std::string long_multiplication_lines(std::int64_t a, int b);

// The grader of tasks whose answer is a number: whole or decimal, worked out.
bool is_same_number(const Problem& problem, std::string_view answer);

}  // namespace r1
