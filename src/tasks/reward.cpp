// reward.cpp: the parts of a reward that are the same for all tasks.
#include "tasks/reward.h"

#include "text/utf8.h"

namespace r1 {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>", kSpace = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

int count(std::string_view text, std::string_view tag) {
  int n = 0;
  for (std::size_t at = text.find(tag); at != text.npos; at = text.find(tag, at + tag.size())) ++n;
  return n;
}

bool drop_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text = trimmed(text.substr(prefix.size()));
  return true;
}

// What the last \boxed{} holds; braces inside it are not for our answers.
std::string_view unboxed(std::string_view text) {
  constexpr std::string_view kBoxed = "\\boxed{";
  const std::size_t open = text.rfind(kBoxed);
  if (open == text.npos) return text;
  const std::string_view inside = text.substr(open + kBoxed.size());
  const std::size_t close = inside.find('}');
  return close == inside.npos ? text : trimmed(inside.substr(0, close));
}

bool is_letter(std::uint32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_han(std::uint32_t c) { return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF); }

struct WordCounts {
  int n_english = 0, n_chinese = 0, n_letters = 0;

  void take(std::uint32_t c) {
    if (is_letter(c)) {
      ++n_letters;
      return;
    }
    n_english += n_letters >= 2 ? 1 : 0;
    n_letters = 0;
    n_chinese += is_han(c) ? 1 : 0;
  }
};

// The tag that `text` begins with, as a number of bytes, or 0.
std::size_t tag_bytes(std::string_view text) {
  return text.starts_with(kOpen) ? kOpen.size() : text.starts_with(kClose) ? kClose.size() : 0;
}

}  // namespace

double total(const Reward& reward, RewardWeights weights) {
  return weights.accuracy * reward.accuracy + weights.format * reward.format + weights.language * reward.language;
}

Answered read_answered(std::string_view text) {
  if (text.size() > kMaxAnsweredBytes) return {};
  const std::size_t close = text.rfind(kClose);
  if (close == text.npos) return {};
  const std::string_view answer = trimmed(text.substr(close + kClose.size()));
  if (answer.empty() || answer.size() > kMaxAnswerBytes) return {};
  const bool well_formed = trimmed(text).starts_with(kOpen) && count(text, kOpen) == 1 && count(text, kClose) == 1;
  return {.has_answer = true, .well_formed = well_formed, .answer = answer};
}

std::string_view final_answer(std::string_view answer) {
  answer = unboxed(trimmed(answer));
  for (const std::string_view prefix : {"Answer:", "The answer is", "答案是", "答案"}) {
    if (!drop_prefix(answer, prefix)) continue;
    drop_prefix(answer, ":") || drop_prefix(answer, "：");
    break;
  }
  for (const std::string_view stop : {".", "。"}) {
    if (answer.ends_with(stop)) answer = trimmed(answer.substr(0, answer.size() - stop.size()));
  }
  return answer;
}

double language_share(std::string_view text, Language language) {
  WordCounts words;
  while (!text.empty()) {
    if (const std::size_t n_bytes = tag_bytes(text); n_bytes > 0) {
      words.take(' ');
      text.remove_prefix(n_bytes);
      continue;
    }
    const Utf8Unit unit = first_utf8_unit(text);
    words.take(unit.kind == Utf8Unit::Kind::kCharacter ? unit.code_point : ' ');
    text.remove_prefix(static_cast<std::size_t>(unit.n_bytes));
  }
  words.take(' ');
  const int n_words = words.n_english + words.n_chinese;
  if (n_words == 0) return 1;
  return static_cast<double>(language == Language::kEnglish ? words.n_english : words.n_chinese) / n_words;
}

}  // namespace r1
