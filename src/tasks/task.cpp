// task.cpp: keys to splits, and the draw of a problem of one split.
#include "tasks/task.h"

#include <utility>

#include "base/assert.h"

namespace r1 {
namespace {

constexpr std::string_view kSplitNames[] = {"train", "validation", "test"};
constexpr int kMaxDraws = 100'000;  // a split of a tenth is missed so often with probability 10^-4576

// FNV-1a (Fowler, Noll, Vo), then the finalizer of MurmurHash3 (Appleby), for FNV's low bits are weak.
std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53;
  return h ^ (h >> 33);
}

void drop_end(std::string& text, std::string_view end) {
  if (text.ends_with(end)) text.resize(text.size() - end.size());
}

// As people type: one time in four no capital at the beginning, one time in four no mark at the end.
std::string as_typed(Rng& rng, std::string prompt) {
  if (rng.below(4) == 0 && prompt[0] >= 'A' && prompt[0] <= 'Z') prompt[0] = static_cast<char>(prompt[0] + 'a' - 'A');
  if (rng.below(4) != 0) return prompt;
  for (const std::string_view end : {".", "?", "。", "？", " ", ",", "、"}) drop_end(prompt, end);
  return prompt;
}

}  // namespace

Split split_of_key(std::string_view key) {
  const std::uint64_t tenth = hash(key) % 10;
  return tenth == 0 ? Split::kTest : tenth == 1 ? Split::kValidation : Split::kTrain;
}

std::optional<Split> split_named(std::string_view name) {
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
    if (split_name(split) == name) return split;
  }
  return std::nullopt;
}

std::string_view split_name(Split split) { return kSplitNames[static_cast<int>(split)]; }

Problem Task::sample(Split split, std::uint64_t index) const {
  Rng rng(hash(std::string(name) + "/" + std::string(split_name(split))), index);
  for (int i = 0; i < kMaxDraws; ++i) {
    Problem problem = draw(rng);
    if (split_of_key(problem.key) != split) continue;
    problem.prompt = as_typed(rng, std::move(problem.prompt));
    return problem;
  }
  R1_ASSERT(false, "a task has no problem in one of its splits");
  return {};
}

Reward Task::grade(const Problem& problem, std::string_view text) const {
  const Answered answered = read_answered(text);
  if (!answered.has_answer) return {};
  return {.accuracy = is_right(problem, final_answer(answered.answer)) ? 1.0 : 0.0,
          .format = answered.well_formed ? 1.0 : 0.0,
          .language = language_share(text, problem.language)};
}

}  // namespace r1
