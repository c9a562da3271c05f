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

struct Sequence {
  Terms terms;
  std::string lines;
};

std::string differences(const Terms& terms) {
  std::string lines;
  for (int i = 1; i < kShown; ++i) lines += fmt::format("{}-{}={}\n", terms[i], terms[i - 1], terms[i] - terms[i - 1]);
  return lines;
}

// First differences grow by `second`; with second = 0 they are constant.
Sequence with_differences(Rng& rng, int second) {
  Terms terms{draw_between(rng, 1, 50)};
  const int first = draw_between(rng, 1, 20);
  for (int i = 1; i <= kShown; ++i) terms[i] = terms[i - 1] + first + second * (i - 1);
  std::string lines = differences(terms);
  const int last = terms[kShown - 1] - terms[kShown - 2];
  lines += fmt::format("{}+{}={}\n", last, second, last + second);
  return {terms, lines + fmt::format("{}+{}={}\n", terms[kShown - 1], last + second, terms[kShown])};
}

Sequence with_ratio(Rng& rng) {
  Terms terms{draw_between(rng, 1, 12)};
  const int ratio = draw_between(rng, 2, 4);
  std::string lines;
  for (int i = 1; i <= kShown; ++i) {
    terms[i] = terms[i - 1] * ratio;
    lines += i < kShown ? fmt::format("{}/{}={}\n", terms[i], terms[i - 1], ratio)
                        : fmt::format("{}*{}={}\n", terms[i - 1], ratio, terms[i]);
  }
  return {terms, lines};
}

Sequence with_sums(Rng& rng) {
  Terms terms{draw_between(rng, 1, 20), draw_between(rng, 1, 20)};
  std::string lines;
  for (int i = 2; i <= kShown; ++i) {
    terms[i] = terms[i - 2] + terms[i - 1];
    lines += fmt::format("{}+{}={}\n", terms[i - 2], terms[i - 1], terms[i]);
  }
  return {terms, lines};
}

Sequence draw_terms(Rng& rng) {
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

Problem draw_sequence(Rng& rng) {
  const Sequence sequence = draw_terms(rng);
  const auto shown = std::span(sequence.terms).first(kShown);
  Problem problem;
  problem.language = draw_language(rng);
  problem.prompt = problem.language == Language::kEnglish ? fmt::format("What comes next: {}?", fmt::join(shown, ", "))
                                                          : fmt::format("下一个数是多少：{}？", fmt::join(shown, "、"));
  problem.key = fmt::format("sequence {}", fmt::join(shown, " "));
  problem.answer = std::to_string(sequence.terms[kShown]);
  problem.trace = written_trace(sequence.lines, problem.answer);
  return problem;
}

}  // namespace

const Task kSequences = {.name = "sequences",
                         .summary = "the next number of a sequence",
                         .draw = draw_sequence,
                         .is_right = is_same_number,
                         .n_problems = 50 * 20 * 7 + 12 * 3 + 20 * 20};

}  // namespace r1
