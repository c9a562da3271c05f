// sequences.cpp: the next number: constant differences, constant second differences, constant ratios, sums of the two
// before.
#include <optional>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr std::string_view kSequenceEn[] = {"What comes next: {}?",          "What comes next in {}?",
                                            "What is the next number: {}?",  "Continue the sequence {}.",
                                            "Find the next number of {}.",   "{}, ...: what comes next?",
                                            "What number comes next? {}, ?", "{}, ?"};
constexpr std::string_view kSequenceZh[] = {"下一个数是多少：{}？", "{}，下一个数是多少？",  "找规律：{}、？", "{}、？",
                                            "接下来是几：{}？",     "数列{}的下一项是多少？"};

using Terms = std::vector<int>;  // the last is asked for

Terms with_differences(Rng& rng, int n, int second) {  // first differences grow by `second`
  Terms terms{draw_between(rng, 1, 50)};
  const int first = draw_between(rng, 1, 20);
  for (int i = 1; i < n; ++i) terms.push_back(terms.back() + first + second * (i - 1));
  return terms;
}

Terms with_ratio(Rng& rng, int n) {
  Terms terms{draw_between(rng, 1, 12)};
  const int ratio = draw_between(rng, 2, 4);
  while (static_cast<int>(terms.size()) < n) terms.push_back(terms.back() * ratio);
  return terms;
}

Terms with_sums(Rng& rng, int n) {
  const int most = rng.below(2) == 0 ? 20 : 5;
  Terms terms{draw_between(rng, 1, most), draw_between(rng, 1, most)};
  while (static_cast<int>(terms.size()) < n) terms.push_back(terms.back() + terms[terms.size() - 2]);
  return terms;
}

// Five terms are shown; four or six of some.
Terms draw_terms(Rng& rng) {
  const int n = rng.below(2) == 0 ? 6 : draw_between(rng, 5, 7);
  switch (rng.below(4)) {
    case 0:
      return with_differences(rng, n, 0);
    case 1:
      return with_differences(rng, n, draw_between(rng, 1, 6));
    case 2:
      return with_ratio(rng, n);
    default:
      return with_sums(rng, n);
  }
}

using Shown = std::span<const int>;

// The trace tries one rule after the other, in an order that is always the same: sums, ratios, differences. A rule is
// tried on the first terms that could refute it, by a comparison that says what it compares.
std::string tried(Language language, std::string_view expression, int value, int term) {
  const std::string_view verdict =
      value == term ? in_language(language, "yes", "对") : in_language(language, "no", "不对");
  return fmt::format("{}={}?{} {}\n", expression, value, term, verdict);
}

// A rule's next term, if it fits what is shown.
std::optional<int> continue_sums(Language language, Shown t, std::string& lines) {
  for (std::size_t i = 2; i < t.size(); ++i) {
    const int sum = t[i - 2] + t[i - 1];
    lines += tried(language, fmt::format("{}+{}", t[i - 2], t[i - 1]), sum, t[i]);
    if (sum != t[i]) return std::nullopt;
  }
  const int before_last = t[t.size() - 2], last = t.back();
  lines += fmt::format("{}+{}={}\n", before_last, last, before_last + last);
  return before_last + last;
}

std::optional<int> continue_ratio(Language language, Shown t, std::string& lines) {
  const int ratio = t[1] / t[0];
  if (ratio < 2 || ratio * t[0] != t[1]) return std::nullopt;
  lines += fmt::format("{}/{}={}\n", t[1], t[0], ratio);
  for (std::size_t i = 2; i < t.size(); ++i) {
    lines += tried(language, fmt::format("{}*{}", t[i - 1], ratio), t[i - 1] * ratio, t[i]);
    if (t[i - 1] * ratio != t[i]) return std::nullopt;
  }
  lines += fmt::format("{}*{}={}\n", t.back(), ratio, t.back() * ratio);
  return t.back() * ratio;
}

int continue_differences(Shown t, std::string& lines) {
  const std::size_t n = t.size();
  for (std::size_t i = 1; i < n; ++i) lines += fmt::format("{}-{}={}\n", t[i], t[i - 1], t[i] - t[i - 1]);
  const int last = t[n - 1] - t[n - 2], second = last - (t[n - 2] - t[n - 3]);
  lines += fmt::format("{}-{}={}\n{}+{}={}\n", last, last - second, second, last, second, last + second);
  lines += fmt::format("{}+{}={}\n", t[n - 1], last + second, t[n - 1] + last + second);
  return t[n - 1] + last + second;
}

struct Continuation {
  std::string lines;
  int next;
};
Continuation continue_terms(Language language, Shown terms) {
  std::string lines;
  if (const auto next = continue_sums(language, terms, lines)) return {lines, *next};
  if (const auto next = continue_ratio(language, terms, lines)) return {lines, *next};
  const int next = continue_differences(terms, lines);
  return {lines, next};
}

Problem draw_sequence(Rng& rng) {
  Problem problem;
  problem.language = draw_language(rng);
  Terms terms;
  Continuation found;
  Shown shown;
  do {  // 10, 15, 25, 40 goes on to 65 by sums and to 60 by differences: no such
    terms = draw_terms(rng);
    shown = Shown(terms).first(terms.size() - 1);
    found = continue_terms(problem.language, shown);
  } while (found.next != terms.back());
  const std::string_view separator = in_language(problem.language, ", ", "、");
  problem.prompt = fmt::format(fmt::runtime(draw_form(rng, problem.language, kSequenceEn, kSequenceZh)),
                               fmt::format("{}", fmt::join(shown, rng.below(4) == 0 ? " " : separator)));
  problem.key = fmt::format("sequence {}", fmt::join(shown, " "));
  problem.answer = std::to_string(terms.back());
  problem.trace = written_trace(found.lines, problem.answer);
  return problem;
}

}  // namespace

const Task kSequences = {.name = "sequences",
                         .summary = "the next number of a sequence",
                         .draw = draw_sequence,
                         .is_right = is_same_number,
                         .n_problems = 3 * (50 * 20 * 7 + 12 * 3 + 20 * 20)};

}  // namespace r1
