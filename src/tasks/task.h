// task.h: problems that a program makes and a program grades: what reinforcement learning with rule rewards is trained
// on, what training is measured with, and what a person can try.
//
// 1. A problem is a pure function of (task, split, index).
// 2. Its key is the canonical problem: what is left when wording, language, names and the order of what commutes are
//    taken away. The key's hash says to which split the problem belongs, and a draw outside the wanted split is thrown
//    away. So no two splits share a problem, however small a task's space is, and whichever task draws it: the 24 game
//    and Countdown share their keys.
// 3. A trace is a whole answer, "<think>\n...\n</think>\n\nANSWER". Its comparisons are local: the two things compared
//    stand side by side before the verdict ("26?45 no").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "tasks/reward.h"

namespace r1 {

enum class Split { kTrain, kValidation, kTest };  // 80, 10 and 10 % of the keys

Split split_of_key(std::string_view key);
std::optional<Split> split_named(std::string_view name);  // "train", "validation", "test"
std::string_view split_name(Split split);

struct Problem {
  std::string prompt;  // what is asked
  std::string key;     // the canonical problem
  std::string answer;  // one right answer, in the form the grader reads
  std::string trace;   // a worked solution, thinking and answer
  Language language = Language::kEnglish;
};

struct Task {
  std::string_view name, summary;
  Problem (*draw)(Rng& rng);                                          // of any split
  bool (*is_right)(const Problem& problem, std::string_view answer);  // `answer` as final_answer() gives it
  double n_problems;                                                  // size of the space of keys, or a bound of it
  double (*random_attempt_chance)() = nullptr;  // that one random legal attempt is right; null: not a search

  Problem sample(Split split, std::uint64_t index) const;
  // `text` is everything the model wrote, beginning with <think>. Hostile text costs its length at most.
  Reward grade(const Problem& problem, std::string_view text) const;
};

}  // namespace r1
