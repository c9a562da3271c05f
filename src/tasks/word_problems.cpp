// word_problems.cpp: one to four steps of arithmetic told as a story, in English and Chinese.
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

struct Person {
  std::string_view name, pronoun;
};
constexpr Person kPeopleEn[] = {{"Tom", "he"},    {"Anna", "she"}, {"Ben", "he"},   {"Lily", "she"},  {"Sam", "he"},
                                {"Mia", "she"},   {"Jack", "he"},  {"Nora", "she"}, {"Leo", "he"},    {"Ella", "she"},
                                {"Sarah", "she"}, {"John", "he"},  {"Mary", "she"}, {"Alice", "she"}, {"Bob", "he"}};
constexpr Person kPeopleZh[] = {{"小明", "他"}, {"小红", "她"}, {"小华", "他"}, {"小丽", "她"},
                                {"小刚", "他"}, {"小芳", "她"}, {"小军", "他"}, {"小兰", "她"},
                                {"小王", "他"}, {"小李", "他"}, {"妈妈", "她"}, {"老师", "她"}};
constexpr std::string_view kThingsEn[] = {"apples", "marbles", "books",  "cards",   "stamps", "shells",   "pencils",
                                          "coins",  "oranges", "sweets", "cookies", "eggs",   "stickers", "flowers"};
struct ChineseThing {
  std::string_view measure, noun;
};
constexpr ChineseThing kThingsZh[] = {{"个", "苹果"}, {"颗", "弹珠"}, {"本", "书"},   {"张", "卡片"},
                                      {"张", "邮票"}, {"个", "贝壳"}, {"支", "铅笔"}, {"枚", "硬币"},
                                      {"个", "橘子"}, {"颗", "糖"},   {"个", "鸡蛋"}, {"朵", "花"}};

enum class StoryStep { kGain, kLose, kBoxes, kTimes, kShare };
constexpr int kStepKinds = 5, kLargestHeap = 999;

// {0}: how many, {1}: of how many each (boxes), {2}: in Chinese the measure, with the things' name or without, {3}: a
// friend.
constexpr int kWays = 10;
struct Wording {
  std::string_view english[kWays], chinese[kWays];
};
constexpr Wording kWordings[kStepKinds] = {
    {{"buys {0} more", "finds {0} more", "gets {0} more from a friend", "picks {0} more", "is given {0} more",
      "buys another {0}", "receives {0} more", "collects {0} more", "adds {0} more", "finds another {0}"},
     {"又买了{0}{2}", "又捡到{0}{2}", "朋友又送来{0}{2}", "又得到{0}{2}", "又拿来{0}{2}", "买来{0}{2}", "又收到{0}{2}",
      "增加了{0}{2}", "又多了{0}{2}", "又找到{0}{2}"}},
    {{"gives away {0}", "loses {0}", "sells {0}", "gives {0} to a friend", "uses {0} of them", "eats {0} of them",
      "throws away {0}", "takes away {0}", "lends {0} to a friend", "gives {0} to {3}"},
     {"送出{0}{2}", "丢了{0}{2}", "卖掉{0}{2}", "给了朋友{0}{2}", "用掉{0}{2}", "吃了{0}{2}", "拿走{0}{2}",
      "少了{0}{2}", "送给同学{0}{2}", "送给{3}{0}{2}"}},
    {{"buys {0} boxes with {1} each", "gets {0} bags of {1} each", "finds {0} packs of {1} each",
      "buys {0} boxes, each with {1}", "gets {0} more bags with {1} in each", "buys {0} bags of {1} each",
      "gets {0} boxes with {1} each", "buys {0} packs of {1} each", "is given {0} bags of {1} each",
      "buys {0} boxes of {1}"},
     {"买了{0}盒，每盒{1}{2}", "得到{0}袋，每袋{1}{2}", "找到{0}包，每包{1}{2}", "又买了{0}盒，每盒有{1}{2}",
      "又拿来{0}袋，每袋{1}{2}", "买来{0}包，每包{1}{2}", "又买了{0}袋，每袋{1}{2}", "得到{0}盒，每盒{1}{2}",
      "收到{0}箱，每箱{1}{2}", "又买来{0}盒，每盒{1}{2}"}},
    {{"has {0} times as many", "makes it {0} times as many", "trades until there are {0} times as many",
      "gets {0} times as many", "ends up with {0} times as many", "works until there are {0} times as many",
      "has {0} times as many after a while", "saves until there are {0} times as many", "soon has {0} times as many",
      "now has {0} times as many"},
     {"数量变成原来的{0}倍", "数量变成{0}倍", "有了之前的{0}倍", "变成了{0}倍", "数量是原来的{0}倍", "增加到{0}倍",
      "是原来的{0}倍", "数量增加到原来的{0}倍", "变成原来的{0}倍", "现在有原来的{0}倍"}},
    {{"shares them equally among {0} friends and asks how many each friend gets",
      "puts them equally into {0} bowls and looks at one bowl", "makes {0} equal piles and looks at one pile",
      "divides them equally among {0} children and counts those of one child",
      "packs them equally into {0} bags and opens one bag",
      "shares them equally among {0} friends and looks at one share",
      "puts them equally into {0} boxes and opens one box", "gives them equally to {0} friends and looks at one share",
      "splits them into {0} equal piles and counts one pile",
      "splits them equally among {0} friends and looks at one share"},
     {"平均分给{0}个朋友，看每人得到多少", "平均放进{0}个碗，看其中一碗", "平均分成{0}堆，看其中一堆",
      "平均分给{0}个孩子，数每个孩子的", "平均装进{0}个袋子，看其中一袋", "平均分给{0}个人，看每人有多少",
      "平均放进{0}个盒子，看其中一盒", "平均分成{0}份，看其中一份", "平均分给{0}个同学，看每人的",
      "平均分给{0}个朋友，看每人几{2}"}},
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

// How one story is told: who, with what, and with which words between its steps.
struct Teller {
  Language language;
  std::string name, pronoun, friends_name, thing, measure;
  bool in_one_sentence = false;
};

const Person& draw_person(Rng& rng, Language language) {
  return language == Language::kEnglish ? draw_one(rng, kPeopleEn) : draw_one(rng, kPeopleZh);
}

Teller draw_teller(Rng& rng, Language language) {
  Teller teller;
  teller.language = language;
  teller.in_one_sentence = rng.below(2) == 0;
  const Person& person = draw_person(rng, language);
  teller.name = person.name;
  do teller.friends_name = draw_person(rng, language).name;
  while (teller.friends_name == teller.name);
  teller.pronoun = rng.below(2) == 0 ? person.pronoun : person.name;
  if (language == Language::kEnglish) {
    teller.thing = draw_one(rng, kThingsEn);
  } else {
    const ChineseThing& thing = draw_one(rng, kThingsZh);
    teller.thing = thing.noun;
    teller.measure = thing.measure;
  }
  return teller;
}

std::string first_upper(std::string text) {
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string told(Rng& rng, const Teller& teller, const std::string& clause) {
  if (teller.language == Language::kChinese) {
    constexpr std::string_view kPlain[] = {"。然后", "，然后", "，后来"};
    return fmt::format("{}{}", teller.in_one_sentence ? "，" : draw_one(rng, kPlain), clause);
  }
  if (teller.in_one_sentence) return fmt::format("{}{}", rng.below(2) == 0 ? ", then " : ", ", clause);
  constexpr std::string_view kThen[] = {"Then ", "Next, ", "After that ", ""};
  const std::string_view then = draw_one(rng, kThen);
  return fmt::format(". {}{} {}", then, then.empty() ? first_upper(teller.pronoun) : teller.pronoun, clause);
}

std::string asked_for(Rng& rng, const Teller& teller, StoryStep last) {
  if (teller.language == Language::kEnglish) {
    if (last == StoryStep::kShare) return ". How many is that?";
    constexpr std::string_view kNow[] = {". How many is that?", ". How many {1} does {0} have now?",
                                         ". How many {1} are there now?", ". How many does {0} have?",
                                         ". How many {1} does {0} have in the end?"};
    constexpr std::string_view kLeft[] = {". How many is that?", ". How many {1} are left?",
                                          ". How many {1} does {0} have now?", ". How many does {0} have left?"};
    const std::string_view form = last == StoryStep::kLose ? draw_one(rng, kLeft) : draw_one(rng, kNow);
    return fmt::format(fmt::runtime(form), rng.below(2) == 0 ? teller.name : teller.pronoun, teller.thing);
  }
  if (last == StoryStep::kShare) return "。是多少？";
  constexpr std::string_view kNow[] = {
      "。是多少？",           "，现在有多少{1}{2}？", "，现在有多少{1}？", "。{0}现在有几{1}{2}？",
      "，一共有多少{1}{2}？", "。现在{0}有多少{2}？", "，现在有几{1}{2}？"};
  constexpr std::string_view kLeft[] = {"。是多少？", "，还剩多少{1}{2}？", "，还有多少{1}？", "。{0}还剩几{1}{2}？",
                                        "，现在有多少{1}{2}？"};
  const std::string_view form = last == StoryStep::kLose ? draw_one(rng, kLeft) : draw_one(rng, kNow);
  return fmt::format(fmt::runtime(form), teller.pronoun, teller.measure, teller.thing);
}

// Times what there was at first, which is times what there is now in a story's first step alone.
bool means_the_first_heap(std::string_view form) {
  return form.find("原来") != form.npos || form.find("之前") != form.npos;
}

void add_step(Rng& rng, Story& story, const Teller& teller, const DrawnStep& step) {
  const Wording& wording = kWordings[static_cast<int>(step.kind)];
  const std::string things = teller.measure + (rng.below(2) == 0 ? teller.thing : "");
  std::string_view form = draw_form(rng, teller.language, wording.english, wording.chinese);
  while (!story.lines.empty() && means_the_first_heap(form)) {
    form = draw_form(rng, teller.language, wording.english, wording.chinese);
  }
  story.text += told(rng, teller, fmt::format(fmt::runtime(form), step.count, step.each, things, teller.friends_name));
  // Boxes commute: 3 of 12 are 12 of 3.
  story.key += fmt::format(" {}{}", "+-b*/"[static_cast<int>(step.kind)],
                           step.each > 0 ? sorted_product(step.count, step.each) : std::to_string(step.count));
  story.lines += step_lines(step, story.value);
  story.value = step.value;
}

// Two to four steps; one in eight tells of one.
Story draw_heap(Rng& rng, Language language) {
  const Teller teller = draw_teller(rng, language);
  Story story;
  story.value = draw_between(rng, 5, 60);
  story.key = fmt::format("heap {}", story.value);
  story.text = language == Language::kEnglish
                   ? fmt::format("{} has {} {}", teller.name, story.value, teller.thing)
                   : fmt::format("{}有{}{}{}", teller.name, story.value, teller.measure, teller.thing);
  StoryStep last = StoryStep::kGain;
  for (int n = rng.below(8) == 0 ? 1 : draw_between(rng, 2, 4), i = 0; i < n;) {
    const std::optional<DrawnStep> step = draw_step(rng, story.value, i + 1 == n);
    if (!step) continue;
    i += step->kind == StoryStep::kBoxes ? 2 : 1;  // boxes take two steps of arithmetic
    last = step->kind;
    add_step(rng, story, teller, *step);
  }
  story.text += asked_for(rng, teller, last);
  return story;
}

// 2 pens at 3 and 4 books at 5, paid with 50: four steps; of one kind of thing: two.
Story draw_purchase(Rng& rng, Language language) {
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
  if (language == Language::kEnglish) {
    constexpr std::string_view kGoods[] = {"pens", "cups", "hats", "apples", "tickets", "notebooks"};
    constexpr std::string_view kPrice[] = {"at {} {} each", "for {} {} each", "that cost {} {} each"};
    const std::string_view name = draw_one(rng, kPeopleEn).name, price = draw_one(rng, kPrice);
    const std::string_view money = rng.below(2) == 0 ? "yuan" : "dollars";
    story.text = fmt::format("{} buys {} {} {}", name, n_a, draw_one(rng, kGoods),
                             fmt::format(fmt::runtime(price), price_a, money));
    if (n_b > 0) story.text += fmt::format(" and {} books {}", n_b, fmt::format(fmt::runtime(price), price_b, money));
    story.text +=
        fmt::format(fmt::runtime(rng.below(2) == 0 ? " and pays with {} {}." : ", and pays {} {}."), paid, money);
    story.text += fmt::format(
        fmt::runtime(rng.below(2) == 0 ? " How much change does {} get?" : " How much does {} get back?"), name);
  } else {
    constexpr std::string_view kGoods[] = {"支笔，每支", "个杯子，每个", "顶帽子，每顶", "个苹果，每个", "张票，每张"};
    story.text = fmt::format("{}买了{}{}{}元", draw_one(rng, kPeopleZh).name, n_a, draw_one(rng, kGoods), price_a);
    if (n_b > 0) story.text += fmt::format("，又买了{}本书，每本{}元", n_b, price_b);
    story.text += fmt::format("，付了{}元", paid);
    story.text += rng.below(2) == 0 ? "。应找回多少元？" : "，找回多少元？";
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
                            .summary = "stories of two to four steps of arithmetic, one in ten of one",
                            .draw = draw_word_problem,
                            .is_right = is_same_number,
                            .n_problems = 56.0 * 59 * 60};  // at least: a gain and a loss alone

}  // namespace r1
