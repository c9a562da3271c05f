// decimals.cpp: which of two decimals is larger, or smaller, 9.11 or 9.9? And whether one is: is 9.11 larger than 9.9?
#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

// {0} and {1}: the decimals, {2}: "larger".
constexpr std::string_view kWhichEn[] = {"Which is {2}, {0} or {1}?",        "Which number is {2}, {0} or {1}?",
                                         "Which is {2}: {0} or {1}?",        "Which one is {2}, {0} or {1}?",
                                         "{0} or {1}, which is {2}?",        "{0} and {1}: which is {2}?",
                                         "What is {2}, {0} or {1}?",         "Of {0} and {1}, which is {2}?",
                                         "Which is the {2} of {0} and {1}?", "Compare {0} and {1}. Which is {2}?"};
constexpr std::string_view kWhichZh[] = {"{0}和{1}哪个{2}？",     "{0}和{1}哪个更{2}？",     "{0}与{1}，哪个{2}？",
                                         "{0}和{1}谁{2}？",       "{0}和{1}，哪一个更{2}？", "哪个更{2}，{0}还是{1}？",
                                         "哪个{2}，{0}还是{1}？", "{0}跟{1}比，哪个{2}？"};
constexpr std::string_view kYesOrNoEn[] = {"Is {0} {2} than {1}?", "Is it true that {0} is {2} than {1}?",
                                           "Is the number {0} {2} than {1}?", "{0} is {2} than {1}, right?"};
constexpr std::string_view kYesOrNoZh[] = {"{0}比{1}{2}吗？", "{0}比{1}更{2}吗？", "{0}是不是比{1}{2}？",
                                           "{0}比{1}{2}，对吗？"};
constexpr std::string_view kLargerEn[] = {"larger", "larger", "bigger", "greater"};

struct Decimal {
  int whole;
  std::string places;  // up to 3 digits, the last not 0: no two ways to write a value

  std::string text() const { return fmt::format("{}{}{}", whole, places.empty() ? "" : ".", places); }
};

Decimal draw_decimal(Rng& rng, int whole) {
  Decimal decimal{whole, ""};
  const int n = draw_between(rng, 1, 3);
  for (int i = 0; i < n; ++i) decimal.places += static_cast<char>('0' + draw_between(rng, i + 1 == n ? 1 : 0, 9));
  return decimal;
}

struct Comparison {
  Decimal a, b;  // in the order they are asked in

  const Decimal& smaller() const { return is_less() ? a : b; }
  const Decimal& larger() const { return is_less() ? b : a; }
  // Digits after the point compare as text.
  bool is_less() const { return a.whole != b.whole ? a.whole < b.whole : a.places < b.places; }
};

// Mostly of the same whole part. `only_decimals`: neither is a whole number.
Comparison draw_comparison(Rng& rng, bool only_decimals) {
  const auto drawn = [&](int whole) {
    return only_decimals || rng.below(2) == 0 ? draw_decimal(rng, whole) : Decimal{whole, ""};
  };
  const int whole = draw_between(rng, 0, 99);
  const Decimal a = drawn(whole);
  Decimal b = a;
  while (b.text() == a.text()) b = drawn(rng.below(4) == 0 ? draw_between(rng, 0, 99) : whole);
  return {a, b};
}

std::string comparison_key(const Comparison& of) {
  return fmt::format("compare {} {}", of.smaller().text(), of.larger().text());
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

struct SizeWords {
  std::string_view smaller, larger;
};
SizeWords draw_size_words(Rng& rng, Language language) {
  return {in_language(language, "smaller", "小"), in_language(language, draw_one(rng, kLargerEn), "大")};
}

// Digit by digit, then what the question may ask for in its own words: the answer is a matter of looking it up.
std::string thinking_lines(Language language, const Comparison& of, const SizeWords& words) {
  return comparison_lines(language, of.a, of.b) +
         fmt::format("{} {}\n{} {}\n", words.smaller, of.smaller().text(), words.larger, of.larger().text());
}

Problem draw_which(Rng& rng) {
  const Comparison of = draw_comparison(rng, true);
  const bool wants_larger = rng.below(2) == 0;
  Problem problem;
  problem.language = draw_language(rng);
  const SizeWords words = draw_size_words(rng, problem.language);
  problem.prompt = fmt::format(fmt::runtime(draw_form(rng, problem.language, kWhichEn, kWhichZh)), of.a.text(),
                               of.b.text(), wants_larger ? words.larger : words.smaller);
  problem.key = comparison_key(of);
  problem.answer = (wants_larger ? of.larger() : of.smaller()).text();
  problem.trace = written_trace(thinking_lines(problem.language, of, words), problem.answer);
  return problem;
}

Problem draw_yes_or_no(Rng& rng) {
  const Comparison of = draw_comparison(rng, false);
  const bool wants_larger = rng.below(2) == 0;
  const Decimal& extreme = wants_larger ? of.larger() : of.smaller();
  const bool holds = wants_larger != of.is_less();
  Problem problem;
  problem.language = draw_language(rng);
  const SizeWords words = draw_size_words(rng, problem.language);
  problem.prompt = fmt::format(fmt::runtime(draw_form(rng, problem.language, kYesOrNoEn, kYesOrNoZh)), of.a.text(),
                               of.b.text(), wants_larger ? words.larger : words.smaller);
  problem.key = comparison_key(of);
  problem.answer = holds ? in_language(problem.language, "Yes", "是") : in_language(problem.language, "No", "不是");
  const std::string_view verdict =
      holds ? in_language(problem.language, "yes", "对") : in_language(problem.language, "no", "不对");
  problem.trace = written_trace(
      thinking_lines(problem.language, of, words) + fmt::format("{}?{} {}\n", of.a.text(), extreme.text(), verdict),
      problem.answer);
  return problem;
}

// "yes" is "Yes", and what Chinese answers to "...，对吗？" is "是" or "不是".
bool is_same_word(const Problem& problem, std::string_view answer) {
  if (problem.language == Language::kChinese) answer = answer == "对" ? "是" : answer == "不对" ? "不是" : answer;
  return std::ranges::equal(problem.answer, answer, [](unsigned char right, unsigned char given) {
    return std::tolower(right) == std::tolower(given);
  });
}

}  // namespace

const Task kDecimals = {.name = "decimals",
                        .summary = "which of two decimals is larger, or smaller",
                        .draw = draw_which,
                        .is_right = is_same_number,
                        .n_problems = 100.0 * 999 * (100.0 * 999 - 1) / 2};
const Task kComparisons = {.name = "comparisons",
                           .summary = "whether one number is larger, or smaller, than another",
                           .draw = draw_yes_or_no,
                           .is_right = is_same_word,
                           .n_problems = 100.0 * 1000 * (100.0 * 1000 - 1) / 2};

}  // namespace r1
