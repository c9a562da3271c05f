// letters.cpp: how many r's are in strawberry? In words of a list, in made-up ones, for a list is soon known by heart,
// and in heaps of letters, for people ask about any word.
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

// {0}: the letter, {1}: the word.
constexpr std::string_view kCountEn[] = {"How many {0}'s are in {1}?",
                                         "How many {0}s are in {1}?",
                                         "How many {0} are in {1}?",
                                         "How many {0}'s are there in {1}?",
                                         "How many {0}'s are in the word {1}?",
                                         "How many times does {0} appear in {1}?",
                                         "How many times does the letter {0} occur in the word {1}?",
                                         "How many letters {0} are there in {1}?",
                                         "How many {0}'s does {1} have?",
                                         "How often is the letter {0} in {1}?",
                                         "How many {0}’s are in {1}?",
                                         "Count the {0}'s in {1}.",
                                         "Count the letter {0} in {1}."};
constexpr std::string_view kCountZh[] = {
    "{1}里有几个{0}？",     "{1}中有几个{0}？",           "{1}里有多少个{0}？",
    "{1}有几个字母{0}？",   "单词{1}里有几个{0}？",       "{1}这个单词里有多少个字母{0}？",
    "{1}中{0}出现了几次？", "{1}里面字母{0}出现多少次？", "数一数{1}里有几个{0}。"};

// Some letters twice in a row, as in real words.
std::string draw_heap_of_letters(Rng& rng) {
  std::string word;
  for (int n = draw_between(rng, 2, 9); n > 0; --n) {
    word.append(rng.below(6) == 0 ? 2 : 1, static_cast<char>('a' + rng.below(26)));
  }
  return word;
}

std::string draw_word(Rng& rng) {
  const std::uint64_t kind = rng.below(5);
  if (kind < 2) return std::string(draw_one(rng, kWords));
  if (kind == 2) return draw_heap_of_letters(rng);
  std::string word;
  for (int n = draw_between(rng, 2, 4); n > 0; --n) word += draw_one(rng, kSyllables);
  return word;
}

std::string ask_count(Rng& rng, Language language, char letter, std::string word) {
  const char asked = static_cast<char>(rng.below(8) == 0 ? letter - 'a' + 'A' : letter);
  if (rng.below(8) == 0) word[0] = static_cast<char>(word[0] - 'a' + 'A');
  const std::uint64_t quotes = rng.below(8);
  if (quotes == 0) word = "“" + word + "”";
  if (quotes == 1) word = '"' + word + '"';
  return fmt::format(fmt::runtime(draw_form(rng, language, kCountEn, kCountZh)), asked, word);
}

Problem draw_count(Rng& rng) {
  const std::string word = draw_word(rng);
  const char letter = rng.below(5) == 0 ? static_cast<char>('a' + rng.below(26)) : word[rng.below(word.size())];
  Problem problem;
  problem.language = draw_language(rng);
  problem.prompt = ask_count(rng, problem.language, letter, word);
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
