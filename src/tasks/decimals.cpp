// decimals.cpp: which of two decimals is larger, or smaller: 9.11 or 9.9?
#include <utility>

#include <fmt/format.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

// {0} and {1}: the decimals, {2}: "larger".
constexpr std::string_view kComparisonEn[] = {"Which is {2}, {0} or {1}?",        "Which number is {2}, {0} or {1}?",
                                              "Which is {2}: {0} or {1}?",        "Which one is {2}, {0} or {1}?",
                                              "{0} or {1}, which is {2}?",        "{0} and {1}: which is {2}?",
                                              "What is {2}, {0} or {1}?",         "Of {0} and {1}, which is {2}?",
                                              "Which is the {2} of {0} and {1}?", "Compare {0} and {1}. Which is {2}?"};
constexpr std::string_view kComparisonZh[] = {
    "{0}和{1}哪个{2}？",       "{0}和{1}哪个更{2}？",     "{0}与{1}，哪个{2}？",   "{0}和{1}谁{2}？",
    "{0}和{1}，哪一个更{2}？", "哪个更{2}，{0}还是{1}？", "哪个{2}，{0}还是{1}？", "{0}跟{1}比，哪个{2}？"};
constexpr std::string_view kLargerEn[] = {"larger", "larger", "bigger", "greater"};

struct Decimal {
  int whole;
  std::string places;  // 1 to 3 digits, the last not 0: no two ways to write a value

  std::string text() const { return fmt::format("{}.{}", whole, places); }
};

Decimal draw_decimal(Rng& rng, int whole) {
  Decimal decimal{whole, ""};
  const int n = draw_between(rng, 1, 3);
  for (int i = 0; i < n; ++i) decimal.places += static_cast<char>('0' + draw_between(rng, i + 1 == n ? 1 : 0, 9));
  return decimal;
}

std::string line(Language language, std::string_view a, std::string_view b) {
  const std::string_view verdict = a == b  ? in_language(language, "same", "相同")
                                   : a < b ? in_language(language, "less", "小")
                                           : in_language(language, "more", "大");
  return fmt::format("{}?{} {}\n", a, b, verdict);
}

// Padded to the same number of places, then place by place, until two differ.
std::string comparison_lines(Language language, Decimal a, Decimal b) {
  const std::size_t n = std::max(a.places.size(), b.places.size());
  a.places.resize(n, '0');
  b.places.resize(n, '0');
  std::string lines = fmt::format("{} {}\n", a.text(), b.text());
  // Whole parts are padded too, so that comparing texts compares numbers.
  const std::string whole_a = fmt::format("{:02}", a.whole), whole_b = fmt::format("{:02}", b.whole);
  lines += line(language, whole_a, whole_b);
  if (whole_a != whole_b) return lines;
  for (std::size_t i = 0; i < n; ++i) {
    lines += line(language, a.places.substr(i, 1), b.places.substr(i, 1));
    if (a.places[i] != b.places[i]) break;
  }
  return lines;
}

// What the question may ask for, in its own words, so that the answer is a matter of looking it up.
std::string verdict_lines(std::string_view smaller_word, const Decimal& smaller, std::string_view larger_word,
                          const Decimal& larger) {
  return fmt::format("{} {}\n{} {}\n", smaller_word, smaller.text(), larger_word, larger.text());
}

bool is_less(const Decimal& a, const Decimal& b) {
  return a.whole != b.whole ? a.whole < b.whole : a.places < b.places;  // digits after the point compare as text
}

Problem draw_comparison(Rng& rng) {
  const int whole = draw_between(rng, 0, 99);
  const Decimal a = draw_decimal(rng, whole);
  Decimal b = a;
  while (b.text() == a.text()) b = draw_decimal(rng, rng.below(4) == 0 ? draw_between(rng, 0, 99) : whole);
  const Decimal &smaller = is_less(a, b) ? a : b, &larger = is_less(a, b) ? b : a;
  const bool wants_larger = rng.below(2) == 0;

  Problem problem;
  problem.language = draw_language(rng);
  const std::string_view smaller_word = in_language(problem.language, "smaller", "小");
  const std::string_view larger_word = in_language(problem.language, draw_one(rng, kLargerEn), "大");
  problem.prompt = fmt::format(fmt::runtime(draw_form(rng, problem.language, kComparisonEn, kComparisonZh)), a.text(),
                               b.text(), wants_larger ? larger_word : smaller_word);
  problem.key = fmt::format("compare {} {}", smaller.text(), larger.text());
  problem.answer = wants_larger ? larger.text() : smaller.text();
  problem.trace = written_trace(
      comparison_lines(problem.language, a, b) + verdict_lines(smaller_word, smaller, larger_word, larger),
      problem.answer);
  return problem;
}

}  // namespace

const Task kDecimals = {.name = "decimals",
                        .summary = "which of two decimals is larger, or smaller",
                        .draw = draw_comparison,
                        .is_right = is_same_number,
                        .n_problems = 100.0 * 999 * (100.0 * 999 - 1) / 2};

}  // namespace r1
