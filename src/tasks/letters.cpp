// letters.cpp: how many r's are in strawberry? In words of a list, and in made-up ones, for a list is soon known by
// heart.
#include <algorithm>

#include <fmt/format.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr std::string_view kWords[] = {
    "strawberry", "raspberry", "blueberry",   "banana",    "apple",     "cherry",      "pepper",    "carrot",
    "potato",     "tomato",    "cucumber",    "lettuce",   "coffee",    "butter",      "cheese",    "bottle",
    "kettle",     "window",    "mirror",      "carpet",    "ladder",    "hammer",      "scissors",  "balloon",
    "book",       "keeper",    "letter",      "success",   "address",   "committee",   "parallel",  "tomorrow",
    "occurred",   "assess",    "pineapple",   "elephant",  "giraffe",   "rabbit",      "squirrel",  "kangaroo",
    "penguin",    "parrot",    "sparrow",     "beetle",    "butterfly", "mississippi", "tennessee", "programming",
    "language",   "reasoning", "mathematics", "engineer",  "science",   "university",  "library",   "different",
    "important",  "beautiful", "interesting", "yesterday", "breakfast", "umbrella",    "yellow",    "purple",
    "orange",     "silver",    "mountain",    "river",     "forest",    "meadow",      "thunder",   "lightning",
};
constexpr std::string_view kSyllables[] = {"ba",  "be",  "ber", "ca", "co",  "cle", "da", "der", "do", "fa",
                                           "fer", "ga",  "gle", "ha", "ka",  "la",  "le", "lo",  "ma", "mer",
                                           "na",  "ne",  "nno", "pa", "per", "ppo", "ra", "re",  "ro", "rra",
                                           "sa",  "sse", "so",  "ta", "ter", "tto", "va", "we",  "ya", "zze"};

std::string draw_word(Rng& rng) {
  if (rng.below(2) == 0) return std::string(draw_one(rng, kWords));
  std::string word;
  for (int n = draw_between(rng, 2, 4); n > 0; --n) word += draw_one(rng, kSyllables);
  return word;
}

Problem draw_count(Rng& rng) {
  const std::string word = draw_word(rng);
  const char letter = rng.below(5) == 0 ? static_cast<char>('a' + rng.below(26)) : word[rng.below(word.size())];
  Problem problem;
  problem.language = draw_language(rng);
  problem.prompt = problem.language == Language::kEnglish ? fmt::format("How many {}'s are in {}?", letter, word)
                                                          : fmt::format("{}里有几个{}？", word, letter);
  problem.key = fmt::format("letters {} {}", word, letter);
  std::string lines;
  int n = 0;
  for (const char c : word) {
    n += c == letter ? 1 : 0;
    const std::string_view verdict =
        c == letter ? in_language(problem.language, "yes", "对") : in_language(problem.language, "no", "不对");
    lines += fmt::format("{}?{} {} {}\n", c, letter, verdict, n);
  }
  problem.answer = std::to_string(n);
  problem.trace = written_trace(lines, problem.answer);
  return problem;
}

}  // namespace

const Task kLetters = {.name = "letters",
                       .summary = "how often a letter stands in a word",
                       .draw = draw_count,
                       .is_right = is_same_number,
                       .n_problems = 40.0 * 40 * 40 * 40};  // at least: made-up words of four syllables

}  // namespace r1
