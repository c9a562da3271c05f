// reward.h: what every grader does first: thinking and answer apart, and the rewards that don't depend on the task.
#pragma once

#include <string_view>

namespace r1 {

enum class Language { kEnglish, kChinese };

struct Reward {
  double accuracy = 0;  // 1: the answer is right
  double format = 0;    // 1: exactly one <think>...</think>, at the beginning, and an answer after it
  double language = 0;  // share of the words that are of the problem's language (DeepSeek-R1, section 2.3.2)
};

struct RewardWeights {
  double accuracy = 1, format = 0.1, language = 0;  // language counts in the second RL stage
};

double total(const Reward& reward, RewardWeights weights = {});

// Limits of what is read; longer text has no answer.
inline constexpr int kMaxAnsweredBytes = 1 << 20, kMaxAnswerBytes = 4096;

struct Answered {
  bool has_answer = false;   // a </think>, and something after the last one: an answer that was cut off has none
  bool well_formed = false;  // Reward::format
  std::string_view answer;   // white space trimmed
};
Answered read_answered(std::string_view text);

// The answer without what people and models put around it: \boxed{}, "Answer:", "答案：", a full stop.
std::string_view final_answer(std::string_view answer);

// In [0, 1]. Chinese counts by character, English by word of two letters or more: single letters are names of unknowns
// and spelling, tags are nobody's language. Without words: 1.
double language_share(std::string_view text, Language language);

}  // namespace r1
