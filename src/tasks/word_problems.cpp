// word_problems.cpp: two to four steps of arithmetic told as a story, in English and Chinese.
//
// Two kinds: a heap of things that grows and shrinks, and a purchase with change. The key is the kind and its numbers:
// the same sums in other words, about other people, or in the other language are the same problem.
#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr std::string_view kNamesEn[] = {"Tom", "Anna", "Ben", "Lily", "Sam", "Mia", "Jack", "Nora", "Leo", "Ella"};
constexpr std::string_view kNamesZh[] = {"小明", "小红", "小华", "小丽", "小刚", "小芳", "小军", "小兰"};
constexpr std::string_view kThingsEn[] = {"apples", "marbles", "books",   "cards",
                                          "stamps", "shells",  "pencils", "coins"};
constexpr std::string_view kThingsZh[] = {"个苹果", "颗弹珠", "本书", "张卡片", "张邮票", "个贝壳", "支铅笔", "枚硬币"};

enum class StoryStep { kGain, kLose, kBoxes, kTimes, kShare };
constexpr int kStepKinds = 5, kLargestHeap = 999;

// {0}: how many, {1}: of how many each (boxes), {2}: the things.
struct Wording {
  std::string_view english[3], chinese[3];
};
constexpr Wording kWordings[kStepKinds] = {
    {{"buys {0} more", "finds {0} more", "gets {0} more from a friend"},
     {"又买了{0}{2}", "又捡到{0}{2}", "朋友又送来{0}{2}"}},
    {{"gives away {0}", "loses {0}", "sells {0}"}, {"送出{0}{2}", "丢了{0}{2}", "卖掉{0}{2}"}},
    {{"buys {0} boxes with {1} each", "gets {0} bags of {1} each", "finds {0} packs of {1} each"},
     {"买了{0}盒，每盒{1}{2}", "得到{0}袋，每袋{1}{2}", "找到{0}包，每包{1}{2}"}},
    {{"has {0} times as many", "makes it {0} times as many", "trades until there are {0} times as many"},
     {"数量变成原来的{0}倍", "数量变成{0}倍", "有了之前的{0}倍"}},
    {{"shares them equally among {0} friends and asks how many each friend gets",
      "puts them equally into {0} bowls and looks at one bowl", "makes {0} equal piles and looks at one pile"},
     {"平均分给{0}个朋友，看每人得到多少", "平均放进{0}个碗，看其中一碗", "平均分成{0}堆，看其中一堆"}},
};

struct Story {
  std::string text, key, lines;
  int value = 0;
};

// A step that keeps the heap a whole number in [1, kLargestHeap]; sharing ends the story, for the heap is then gone.
struct DrawnStep {
  StoryStep kind;
  int count, each, value;
};
std::optional<DrawnStep> draw_step(Rng& rng, int heap, bool is_last) {
  const StoryStep kind = static_cast<StoryStep>(rng.below(is_last ? kStepKinds : kStepKinds - 1));
  const int count = kind == StoryStep::kGain   ? draw_between(rng, 2, 60)
                    : kind == StoryStep::kLose ? draw_between(rng, 1, 60)
                                               : draw_between(rng, 2, 9);
  const int each = kind == StoryStep::kBoxes ? draw_between(rng, 2, 12) : 0;
  const int value = kind == StoryStep::kGain    ? heap + count
                    : kind == StoryStep::kLose  ? heap - count
                    : kind == StoryStep::kBoxes ? heap + count * each
                    : kind == StoryStep::kTimes ? heap * count
                                                : heap / count;
  const bool is_whole = kind != StoryStep::kShare || heap % count == 0;
  if (!is_whole || value < 1 || value > kLargestHeap) return std::nullopt;
  return DrawnStep{kind, count, each, value};
}

std::string sorted_product(int a, int b) { return fmt::format("{}x{}", std::min(a, b), std::max(a, b)); }

std::string step_lines(const DrawnStep& step, int heap) {
  switch (step.kind) {
    case StoryStep::kGain:
      return fmt::format("{}+{}={}\n", heap, step.count, step.value);
    case StoryStep::kLose:
      return fmt::format("{}-{}={}\n", heap, step.count, step.value);
    case StoryStep::kBoxes:
      return fmt::format("{0}*{1}={2}\n{3}+{2}={4}\n", step.count, step.each, step.count * step.each, heap, step.value);
    case StoryStep::kTimes:
      return fmt::format("{}*{}={}\n", heap, step.count, step.value);
    case StoryStep::kShare:
      return fmt::format("{}/{}={}\n", heap, step.count, step.value);
  }
  return {};
}

void add_step(Rng& rng, Story& story, Language language, const DrawnStep& step, std::string_view thing) {
  const Wording& wording = kWordings[static_cast<int>(step.kind)];
  const std::size_t which = rng.below(3);
  const bool is_english = language == Language::kEnglish;
  const std::string clause = fmt::format(fmt::runtime(is_english ? wording.english[which] : wording.chinese[which]),
                                         step.count, step.each, thing);
  story.text += is_english ? fmt::format(" Then {} {}.", "the owner", clause) : fmt::format("然后{}。", clause);
  // Boxes commute: 3 of 12 are 12 of 3.
  story.key += fmt::format(" {}{}", "+-b*/"[static_cast<int>(step.kind)],
                           step.each > 0 ? sorted_product(step.count, step.each) : std::to_string(step.count));
  story.lines += step_lines(step, story.value);
  story.value = step.value;
}

Story draw_heap(Rng& rng, Language language) {
  const bool is_english = language == Language::kEnglish;
  const std::string_view name = is_english ? draw_one(rng, kNamesEn) : draw_one(rng, kNamesZh);
  const std::string_view thing = is_english ? draw_one(rng, kThingsEn) : draw_one(rng, kThingsZh);
  Story story;
  story.value = draw_between(rng, 5, 60);
  story.key = fmt::format("heap {}", story.value);
  story.text = is_english ? fmt::format("{} has {} {}.", name, story.value, thing)
                          : fmt::format("{}有{}{}。", name, story.value, thing);
  for (int n = draw_between(rng, 2, 4), i = 0; i < n;) {
    const std::optional<DrawnStep> step = draw_step(rng, story.value, i + 1 == n);
    if (!step) continue;
    i += step->kind == StoryStep::kBoxes ? 2 : 1;  // boxes take two steps of arithmetic
    add_step(rng, story, language, *step, thing);
  }
  for (std::size_t at; (at = story.text.find("the owner")) != story.text.npos;) story.text.replace(at, 9, name);
  story.text += is_english ? " How many is that?" : "是多少？";
  return story;
}

// 2 pens at 3 and 4 books at 5, paid with 50: four steps; of one kind of thing: two.
Story draw_purchase(Rng& rng, Language language) {
  const bool is_english = language == Language::kEnglish;
  const int n_a = draw_between(rng, 2, 9), price_a = draw_between(rng, 2, 12);
  const int n_b = draw_between(rng, 0, 1) * draw_between(rng, 2, 9), price_b = draw_between(rng, 2, 12);
  const int cost_a = n_a * price_a, cost_b = n_b * price_b, cost = cost_a + cost_b;
  const int paid = (cost / 10 + draw_between(rng, 1, 5)) * 10;
  Story story;
  story.value = paid - cost;
  const std::string part_a = sorted_product(n_a, price_a), part_b = n_b > 0 ? sorted_product(n_b, price_b) : "";
  story.key = fmt::format("purchase {} {} {}", std::min(part_a, part_b), std::max(part_a, part_b), paid);
  story.lines = fmt::format("{}*{}={}\n", n_a, price_a, cost_a);
  if (n_b > 0) story.lines += fmt::format("{}*{}={}\n{}+{}={}\n", n_b, price_b, cost_b, cost_a, cost_b, cost);
  story.lines += fmt::format("{}-{}={}\n", paid, cost, story.value);
  if (is_english) {
    const std::string_view name = draw_one(rng, kNamesEn);
    story.text = fmt::format("{} buys {} pens at {} yuan each", name, n_a, price_a);
    if (n_b > 0) story.text += fmt::format(" and {} books at {} yuan each", n_b, price_b);
    story.text += fmt::format(" and pays with {} yuan. How much change does {} get?", paid, name);
  } else {
    story.text = fmt::format("{}买了{}支笔，每支{}元", draw_one(rng, kNamesZh), n_a, price_a);
    if (n_b > 0) story.text += fmt::format("，又买了{}本书，每本{}元", n_b, price_b);
    story.text += fmt::format("，付了{}元。应找回多少元？", paid);
  }
  return story;
}

Problem draw_word_problem(Rng& rng) {
  Problem problem;
  problem.language = draw_language(rng);
  const Story story = rng.below(4) == 0 ? draw_purchase(rng, problem.language) : draw_heap(rng, problem.language);
  problem.prompt = story.text;
  problem.key = story.key;
  problem.answer = std::to_string(story.value);
  problem.trace = written_trace(story.lines, problem.answer);
  return problem;
}

}  // namespace

const Task kWordProblems = {.name = "word_problems",
                            .summary = "stories of two to four steps of arithmetic",
                            .draw = draw_word_problem,
                            .is_right = is_same_number,
                            .n_problems = 56.0 * 59 * 60};  // at least: a gain and a loss alone

}  // namespace r1
