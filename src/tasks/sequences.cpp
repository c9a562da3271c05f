// sequences.cpp: the next number: constant differences, constant second differences, constant ratios, sums of the two
// before.
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr int kShown = 5;
using Terms = std::array<int, kShown + 1>;  // the last is asked for

Terms with_differences(Rng& rng, int second) {  // first differences grow by `second`
  Terms terms{draw_between(rng, 1, 50)};
  const int first = draw_between(rng, 1, 20);
  for (int i = 1; i <= kShown; ++i) terms[i] = terms[i - 1] + first + second * (i - 1);
  return terms;
}

Terms with_ratio(Rng& rng) {
  Terms terms{draw_between(rng, 1, 12)};
  const int ratio = draw_between(rng, 2, 4);
  for (int i = 1; i <= kShown; ++i) terms[i] = terms[i - 1] * ratio;
  return terms;
}

Terms with_sums(Rng& rng) {
  Terms terms{draw_between(rng, 1, 20), draw_between(rng, 1, 20)};
  for (int i = 2; i <= kShown; ++i) terms[i] = terms[i - 2] + terms[i - 1];
  return terms;
}

Terms draw_terms(Rng& rng) {
  switch (rng.below(4)) {
    case 0:
      return with_differences(rng, 0);
    case 1:
      return with_differences(rng, draw_between(rng, 1, 6));
    case 2:
      return with_ratio(rng);
    default:
      return with_sums(rng);
  }
}

// The trace tries one rule after the other, in an order that is always the same: sums, ratios, differences. A rule is
// tried on the first terms that could refute it, by a comparison that says what it compares.
std::string tried(Language language, std::string_view expression, int value, int term) {
  const std::string_view verdict =
      value == term ? in_language(language, "yes", "对") : in_language(language, "no", "不对");
  return fmt::format("{}={}?{} {}\n", expression, value, term, verdict);
}

bool continues_sums(Language language, const Terms& t, std::string& lines) {
  for (int i = 2; i < kShown; ++i) {
    const int sum = t[i - 2] + t[i - 1];
    lines += tried(language, fmt::format("{}+{}", t[i - 2], t[i - 1]), sum, t[i]);
    if (sum != t[i]) return false;
  }
  lines += fmt::format("{}+{}={}\n", t[kShown - 2], t[kShown - 1], t[kShown - 2] + t[kShown - 1]);
  return true;
}

bool continues_ratio(Language language, const Terms& t, std::string& lines) {
  const int ratio = t[1] / t[0];
  if (ratio < 2 || ratio * t[0] != t[1]) return false;
  lines += fmt::format("{}/{}={}\n", t[1], t[0], ratio);
  for (int i = 2; i < kShown; ++i) {
    lines += tried(language, fmt::format("{}*{}", t[i - 1], ratio), t[i - 1] * ratio, t[i]);
    if (t[i - 1] * ratio != t[i]) return false;
  }
  lines += fmt::format("{}*{}={}\n", t[kShown - 1], ratio, t[kShown - 1] * ratio);
  return true;
}

void continue_differences(const Terms& t, std::string& lines) {
  for (int i = 1; i < kShown; ++i) lines += fmt::format("{}-{}={}\n", t[i], t[i - 1], t[i] - t[i - 1]);
  const int last = t[kShown - 1] - t[kShown - 2], second = last - (t[kShown - 2] - t[kShown - 3]);
  lines += fmt::format("{}-{}={}\n{}+{}={}\n", last, last - second, second, last, second, last + second);
  lines += fmt::format("{}+{}={}\n", t[kShown - 1], last + second, t[kShown - 1] + last + second);
}

std::string search_lines(Language language, const Terms& terms) {
  std::string lines;
  if (continues_sums(language, terms, lines) || continues_ratio(language, terms, lines)) return lines;
  continue_differences(terms, lines);
  return lines;
}

Problem draw_sequence(Rng& rng) {
  const Terms terms = draw_terms(rng);
  const auto shown = std::span(terms).first(kShown);
  Problem problem;
  problem.language = draw_language(rng);
  problem.prompt = problem.language == Language::kEnglish ? fmt::format("What comes next: {}?", fmt::join(shown, ", "))
                                                          : fmt::format("下一个数是多少：{}？", fmt::join(shown, "、"));
  problem.key = fmt::format("sequence {}", fmt::join(shown, " "));
  problem.answer = std::to_string(terms[kShown]);
  problem.trace = written_trace(search_lines(problem.language, terms), problem.answer);
  return problem;
}

}  // namespace

const Task kSequences = {.name = "sequences",
                         .summary = "the next number of a sequence",
                         .draw = draw_sequence,
                         .is_right = is_same_number,
                         .n_problems = 50 * 20 * 7 + 12 * 3 + 20 * 20};

}  // namespace r1
