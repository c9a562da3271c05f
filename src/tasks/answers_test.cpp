// answers_test.cpp: answers and traces against computations that share nothing with the generators but the text.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <ctime>
#include <map>
#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "tasks/expression.h"
#include "tasks/rational.h"
#include "tasks/registry.h"

namespace r1 {
namespace {

constexpr int kSamples = 1000;

// Calls check(prompt's groups, problem) for every problem whose prompt matches; returns how many did.
template <typename Check>
int for_matching(const Task& task, const char* pattern, Check check) {
  const std::regex form(pattern);
  int n_matched = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const Problem problem = task.sample(Split::kTrain, i);
    std::smatch groups;
    if (!std::regex_search(problem.prompt, groups, form)) continue;
    ++n_matched;
    check(groups, problem);
  }
  return n_matched;
}

TEST(TaskAnswers, SumsDifferencesAndProducts) {
  const std::pair<const Task*, char> cases[] = {
      {&kAddition, '+'}, {&kSubtraction, '-'}, {&kMultiplication, '*'}, {&kProducts, '*'}};
  for (const auto& [task, operation] : cases) {
    const int n = for_matching(*task, R"((\d+)\D+(\d+))", [&, op = operation](const auto& groups, const Problem& p) {
      std::int64_t a = std::stoll(groups[1]), b = std::stoll(groups[2]);
      if (p.prompt.find(" from ") != p.prompt.npos) std::swap(a, b);  // "Take 3 from 5."
      EXPECT_EQ(std::stoll(p.answer), op == '+' ? a + b : op == '-' ? a - b : a * b) << p.prompt;
    });
    EXPECT_EQ(n, kSamples);
  }
}

TEST(TaskAnswers, ChainsAreWorkedFromTheLeft) {
  const int n = for_matching(kChains, R"(^\D*(\d+))", [](const auto& groups, const Problem& p) {
    std::int64_t value = std::stoll(groups[1]);
    const std::regex step(
        "(plus|add|minus|subtract|times|multiply by|divided by|divide by|加上|再加|减去|再减|"
        "乘以|再乘|再除以|除以) ?(\\d+)");
    for (std::sregex_iterator at(p.prompt.begin(), p.prompt.end(), step), end; at != end; ++at) {
      const std::string operation = (*at)[1];
      const std::int64_t operand = std::stoll((*at)[2]);
      const auto is_one_of = [&](auto... names) { return ((operation == names) || ...); };
      if (is_one_of("plus", "add", "加上", "再加")) value += operand;
      if (is_one_of("minus", "subtract", "减去", "再减")) value -= operand;
      if (is_one_of("times", "multiply by", "乘以", "再乘")) value *= operand;
      if (is_one_of("divided by", "divide by", "除以", "再除以")) value /= operand;
    }
    EXPECT_EQ(std::stoll(p.answer), value) << p.prompt;
  });
  EXPECT_EQ(n, kSamples);
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at; (at = text.find(from)) != text.npos;) text.replace(at, from.size(), to);
  return text;
}

TEST(TaskAnswers, ExpressionsHaveTheirValue) {
  int n = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const Problem p = kExpressions.sample(Split::kTrain, i);
    const std::string plain = replaced(replaced(p.prompt, "×", "*"), "÷", "/");
    std::smatch expression;
    ASSERT_TRUE(std::regex_search(plain, expression, std::regex(R"([(\d][-+*/() \d]*[)\d])"))) << p.prompt;
    const std::optional<Expression> parsed = parse_expression(expression.str());
    ASSERT_TRUE(parsed) << p.prompt;
    EXPECT_EQ(parsed->value, parse_rational(p.answer)) << p.prompt;
    n += parsed->numbers.size() > 2 ? 1 : 0;
  }
  EXPECT_GT(n, kSamples / 2);
}

TEST(TaskAnswers, LettersAreCounted) {
  const auto check = [](std::string word, char letter, const Problem& p) {
    const auto lower = [](unsigned char c) { return static_cast<char>(std::tolower(c)); };
    std::transform(word.begin(), word.end(), word.begin(), lower);
    EXPECT_EQ(std::stol(p.answer), std::count(word.begin(), word.end(), lower(letter))) << p.prompt;
  };
  // The letter stands alone, or before "s" or "'s"; it comes first in English, the word in Chinese.
  const int english = for_matching(
      kLetters,
      R"re((?:many|times does|the letter|often is|letters|Count the|count the) (\w)(?:(?:'|’)?s)? (?:\w+ )*?(?:"|“)?(\w{2,})(?:"|”)?(?: have)?[.?]?$)re",
      [&](const auto& groups, const Problem& p) { check(groups[2], *groups[1].first, p); });
  const int chinese = for_matching(kLetters, "([A-Za-z]{2,})[^A-Za-z]+([A-Za-z])(?![A-Za-z])",
                                   [&](const auto& groups, const Problem& p) {
                                     if (p.language == Language::kChinese) check(groups[1], *groups[2].first, p);
                                   });
  EXPECT_GT(english, kSamples / 3);
  EXPECT_GT(chinese, kSamples / 3);
}

TEST(TaskAnswers, DecimalsCompareAsNumbers) {
  const int n = for_matching(kDecimals, R"((\d+\.\d+)\D+?(\d+\.\d+))", [](const auto& groups, const Problem& p) {
    const double a = std::stod(groups[1]), b = std::stod(groups[2]);
    const bool larger = p.prompt.find("smaller") == std::string::npos && p.prompt.find("小") == std::string::npos;
    EXPECT_EQ(std::stod(p.answer), larger ? std::max(a, b) : std::min(a, b)) << p.prompt;
  });
  EXPECT_EQ(n, kSamples);
}

TEST(TaskAnswers, ComparisonsAreTrueOrNot) {
  std::map<std::string, int> answers;
  const int n = for_matching(kComparisons, R"((\d+\.?\d*)\D+?(\d+\.?\d*))", [&](const auto& groups, const Problem& p) {
    const double a = std::stod(groups[1]), b = std::stod(groups[2]);
    const bool larger = p.prompt.find("smaller") == std::string::npos && p.prompt.find("小") == std::string::npos;
    const bool holds = larger ? a > b : a < b;
    EXPECT_EQ(p.answer, p.language == Language::kEnglish ? (holds ? "Yes" : "No") : (holds ? "是" : "不是"))
        << p.prompt;
    ++answers[p.answer];
  });
  EXPECT_EQ(n, kSamples);
  for (const auto& [answer, times] : answers) EXPECT_GT(times, kSamples / 6) << answer;
}

TEST(TaskAnswers, EquationsHoldForTheirSolution) {
  const int n = for_matching(kEquations, R"((\d*)x( ?[-+] ?\d+)? ?= ?(?:(\d*)x( ?[-+] ?\d+)?|(-?\d+)))",
                             [](const auto& groups, const Problem& p) {
                               const auto number = [&](int group, int fallback) {
                                 const std::string text = std::regex_replace(groups[group].str(), std::regex(" "), "");
                                 return text.empty() ? fallback : std::stoi(text);
                               };
                               const int x = std::stoi(p.answer.substr(2)), left = number(1, 1) * x + number(2, 0);
                               const int right = groups[5].matched ? number(5, 0) : number(3, 1) * x + number(4, 0);
                               EXPECT_EQ(left, right) << p.prompt << " " << p.answer;
                             });
  EXPECT_EQ(n, kSamples);
}

// The system's calendar; 2001 was a year of 365 days, its January 1 a Monday.
std::tm later(int month, int day, int wait) {
  std::tm date{};
  date.tm_year = 101;
  date.tm_mon = month;
  date.tm_mday = day + wait;
  date.tm_hour = 12;
  const std::time_t time = ::timegm(&date);
  return *std::gmtime(&time);
}

TEST(TaskAnswers, DatesFollowTheCalendar) {
  const int n_weekdays = for_matching(
      kDates, R"((?:is|If today is|if today is) (\w+day)\b.* (\d+) days)", [](const auto& groups, const Problem& p) {
        constexpr std::string_view kDays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                              "Friday", "Saturday", "Sunday"};
        const auto today = std::find(std::begin(kDays), std::end(kDays), groups[1].str()) - std::begin(kDays);
        char expected[32];
        const std::tm day = later(0, static_cast<int>(today) + 1, std::stoi(groups[2]));
        std::strftime(expected, sizeof(expected), "%A", &day);
        EXPECT_EQ(p.answer, expected) << p.prompt;
      });
  const int n_dates = for_matching(kDates, "(\\d+)月(\\d+)日\\D*(\\d+)天后", [](const auto& groups, const Problem& p) {
    const std::tm day = later(std::stoi(groups[1]) - 1, std::stoi(groups[2]), std::stoi(groups[3]));
    EXPECT_EQ(p.answer, std::to_string(day.tm_mon + 1) + "月" + std::to_string(day.tm_mday) + "日") << p.prompt;
  });
  EXPECT_GT(n_weekdays, kSamples / 8);
  EXPECT_GT(n_dates, kSamples / 8);
}

TEST(TaskAnswers, PurchasesGiveChange) {
  const int n = for_matching(kWordProblems,
                             R"(buys (\d+) \w+ \D*(\d+) \w+ each(?: and (\d+) books \D*(\d+) \w+ each)?\D* (\d+) )",
                             [](const auto& groups, const Problem& p) {
                               int cost = std::stoi(groups[1]) * std::stoi(groups[2]);
                               if (groups[3].matched) cost += std::stoi(groups[3]) * std::stoi(groups[4]);
                               EXPECT_EQ(std::stoi(p.answer), std::stoi(groups[5]) - cost) << p.prompt;
                             });
  EXPECT_GT(n, kSamples / 16);
}

// A heap that grows and shrinks by what the story's verbs say.
TEST(TaskAnswers, HeapsAreWhatTheStorySays) {
  const int n = for_matching(kWordProblems, R"(^\w+ has (\d+) \w+)", [](const auto& groups, const Problem& p) {
    std::int64_t value = std::stoll(groups[1]);
    const std::regex step(R"((more bags with|boxes, each with|boxes with|boxes of|bags of|packs of) (\d+)|)"
                          R"((\d+) (?=more bags|boxes with|boxes of|boxes, each|bags of|packs))"
                          R"(|(\d+) (more|times|friends|children|bowls|equal piles|bags and|boxes and))"
                          R"(|(?:away|loses|sells|gives|uses|eats|lends) (\d+)|another (\d+))");
    std::int64_t n_boxes = 0;
    for (std::sregex_iterator at(p.prompt.begin(), p.prompt.end(), step), end; at != end; ++at) {
      const auto number = [&](int group) { return std::stoll((*at)[group]); };
      if ((*at)[3].matched) n_boxes = number(3);
      if ((*at)[2].matched) value += n_boxes * number(2);
      if ((*at)[6].matched) value -= number(6);
      if ((*at)[7].matched) value += number(7);
      if (!(*at)[4].matched) continue;
      value = (*at)[5] == "more" ? value + number(4) : (*at)[5] == "times" ? value * number(4) : value / number(4);
    }
    EXPECT_EQ(std::stoll(p.answer), value) << p.prompt;
  });
  EXPECT_GT(n, kSamples / 4);
}

// "Times what there was at first" could mean two heaps later in a story.
TEST(TaskAnswers, ChineseStoriesSpeakOfTheFirstHeapOnlyInTheirFirstStep) {
  const std::regex number(R"(\d+)");
  const int n = for_matching(kWordProblems, "原来|之前", [&](const auto& groups, const Problem& p) {
    const std::string before = groups.prefix();
    EXPECT_EQ(std::distance(std::sregex_iterator(before.begin(), before.end(), number), {}), 1) << p.prompt;
  });
  EXPECT_GT(n, 5);
}

// Every equality in every trace is true, "x" aside: a cold start must not teach wrong arithmetic.
TEST(TaskTraces, EveryEquationIsTrue) {
  const std::regex equation(R"((^|[\s])([-(]?\d[-+*/()\d]*)=(-?\d+))");
  int n_checked = 0;
  for (const Task* task : all_tasks()) {
    for (std::uint64_t i = 0; i < 300; ++i) {
      const std::string trace = task->sample(Split::kTrain, i).trace;
      for (std::sregex_iterator at(trace.begin(), trace.end(), equation), end; at != end; ++at) {
        const std::string left = (*at)[2];
        // Signs are beyond our expressions: "-3" is written "0-3" for them, within parentheses too.
        const std::string readable = std::regex_replace(left, std::regex(R"((^|\()-)"), "$010-");
        const std::optional<Expression> value = parse_expression(readable);
        if (!value) continue;
        ++n_checked;
        EXPECT_EQ(value->value, parse_rational((*at)[3].str())) << (*at)[0] << " in\n" << trace;
      }
    }
  }
  EXPECT_GT(n_checked, 10'000);
}

// What a thought computes last is the answer: so no sequence goes on in two ways.
TEST(TaskTraces, SequencesEndWithTheirAnswer) {
  for (std::uint64_t i = 0; i < 30'000; ++i) {
    const Problem problem = kSequences.sample(Split::kTrain, i);
    ASSERT_NE(problem.trace.find("=" + problem.answer + "\n</think>"), std::string::npos) << problem.trace;
  }
}

// "26?45 no": the verdict behind two things that stand side by side.
TEST(TaskTraces, CountdownVerdictsAreTrueAndSearchesHaveWrongAttempts) {
  const std::regex verdict(R"((\d+)\?(\d+) (yes|no|对|不对)\n)");
  for (const Task* task : {&kCountdown3, &kCountdown4, &kGame24}) {
    std::map<bool, int> n_verdicts;
    for (std::uint64_t i = 0; i < 500; ++i) {
      const std::string trace = task->sample(Split::kTrain, i).trace;
      for (std::sregex_iterator at(trace.begin(), trace.end(), verdict), end; at != end; ++at) {
        const bool says_yes = (*at)[3] == "yes" || (*at)[3] == "对";
        EXPECT_EQ((*at)[1] == (*at)[2], says_yes) << trace;
        ++n_verdicts[says_yes];
      }
    }
    EXPECT_EQ(n_verdicts[true], 500);
    EXPECT_GT(n_verdicts[false], 500) << "about two wrong attempts a search";
  }
}

Problem countdown(const char* key) { return {.prompt = "", .key = key, .answer = "", .trace = ""}; }

TEST(CountdownGrader, WantsEachNumberOnceAndTheExactValue) {
  const Problem problem = countdown("countdown 3 8 21 45");
  for (const char* answer : {"3*8+21", "21+8*3", "(3*8)+21=45", "21 + 3 × 8 = 45"})
    EXPECT_TRUE(kCountdown3.is_right(problem, answer)) << answer;
  for (const char* answer : {"45", "45=45", "3*8", "3*8+21=44", "3*8+21=", "3*8+21=45=45", "3*8+20+1", "3*8+21*1",
                             "3+8+21", "21+24", "38+7", "45=3*8+21", "3*8+21=40+5", "=45", "3*8+21; 45"})
    EXPECT_FALSE(kCountdown3.is_right(problem, answer)) << answer;
  EXPECT_TRUE(kGame24.is_right(countdown("countdown 3 3 8 8 24"), "8/(3-8/3)")) << "by fractions";
}

TEST(CountdownChance, IsThatOfASearchWorthTheName) {
  for (const Task* task : {&kCountdown3, &kCountdown4, &kGame24}) {
    EXPECT_GT(task->random_attempt_chance(), 0.001) << task->name;
    EXPECT_LT(task->random_attempt_chance(), 0.2) << task->name;
  }
}

TEST(NumberGrader, WantsTheNumberWorkedOut) {
  const Problem problem{.prompt = "60 / 2?", .key = "", .answer = "30", .trace = ""};
  for (const char* answer : {"30", "30.0"}) EXPECT_TRUE(kExpressions.is_right(problem, answer)) << answer;
  for (const char* answer : {"60/2", "30/1", "60", ""}) EXPECT_FALSE(kExpressions.is_right(problem, answer)) << answer;
}

TEST(DateGrader, TakesTheUsualWaysToWriteADate) {
  const auto is_right = [](const char* right, const char* given) {
    return kDates.is_right({.prompt = "", .key = "", .answer = right, .trace = ""}, given);
  };
  for (const char* given : {"星期日", "星期天", "周日", "礼拜天"}) EXPECT_TRUE(is_right("星期日", given)) << given;
  EXPECT_TRUE(is_right("10月18日", "10月18号"));
  EXPECT_TRUE(is_right("October 18", "october 18"));
  EXPECT_FALSE(is_right("星期日", "星期一"));
  EXPECT_FALSE(is_right("October 18", "October 17"));
}

TEST(ComparisonGrader, TakesWhatChineseAnswers) {
  Problem problem{.prompt = "", .key = "", .answer = "不是", .trace = ""};
  problem.language = Language::kChinese;
  for (const char* answer : {"不是", "不对"}) EXPECT_TRUE(kComparisons.is_right(problem, answer)) << answer;
  for (const char* answer : {"是", "对", "No"}) EXPECT_FALSE(kComparisons.is_right(problem, answer)) << answer;
  problem.answer = "是";
  EXPECT_TRUE(kComparisons.is_right(problem, "对"));
}

TEST(EquationGrader, TakesTheNumberWithOrWithoutX) {
  const Problem problem{.prompt = "", .key = "", .answer = "x=5", .trace = ""};
  for (const char* answer : {"x=5", "x = 5", "5", "10/2", "5.0"})
    EXPECT_TRUE(kEquations.is_right(problem, answer)) << answer;
  for (const char* answer : {"x", "x=", "x5", "y=5", "x=6", "x=5,6", ""})
    EXPECT_FALSE(kEquations.is_right(problem, answer)) << answer;
}

TEST(LogicGrader, TakesNamesInAnyOrder) {
  const Problem problem{.prompt = "", .key = "", .answer = "Ann, Cat", .trace = ""};
  for (const char* answer : {"Ann, Cat", "Cat,Ann", "Cat and Ann", "Ann Cat"})
    EXPECT_TRUE(kLogic.is_right(problem, answer)) << answer;
  for (const char* answer : {"", "Ann", "Ann, Bob", "Ann, Bob, Cat", "nobody", "Ann, Ann, Cat"})
    EXPECT_FALSE(kLogic.is_right(problem, answer)) << answer;
}

// Reads the puzzle's English, and tries all kinds.
bool holds(const std::string& said, const std::map<std::string, bool>& knights) {
  std::smatch groups;
  if (std::regex_match(said, groups, std::regex(R"((\w+) is a (knight|knave))")))
    return knights.at(groups[1]) == (groups[2] == "knight");
  if (std::regex_match(said, groups, std::regex(R"((\w+) and (\w+) are of the same kind)")))
    return knights.at(groups[1]) == knights.at(groups[2]);
  if (std::regex_match(said, groups, std::regex(R"((\w+) and (\w+) are of different kinds)")))
    return knights.at(groups[1]) != knights.at(groups[2]);
  const auto n_knaves = std::count_if(knights.begin(), knights.end(), [](const auto& each) { return !each.second; });
  if (std::regex_match(said, groups, std::regex(R"(the number of knaves is at least (\d))")))
    return n_knaves >= std::stoi(groups[1]);
  EXPECT_TRUE(std::regex_match(said, groups, std::regex(R"(the number of knaves is (\d))"))) << said;
  return n_knaves == std::stoi(groups[1]);
}

TEST(TaskKeys, KnightsAreTheSameWhoeverSpeaksFirst) {
  std::map<std::string, int> n_by_key;
  for (std::uint64_t i = 0; i < kSamples; ++i) ++n_by_key[kLogic.sample(Split::kTrain, i).key];
  EXPECT_LE(n_by_key.size(), 0.9 * kLogic.n_problems) << "more keys than there are puzzles in the split";
  EXPECT_GT(n_by_key.size(), 0.6 * kLogic.n_problems);
}

TEST(TaskAnswers, KnavesAreTheOnlySolution) {
  const int n = for_matching(kLogic, R"( (\w+) says: ([^.]*)\. (\w+) says: ([^.]*)\. (\w+) says: ([^.]*)\.)",
                             [](const auto& groups, const Problem& p) {
                               std::vector<std::string> solutions;
                               for (int kinds = 0; kinds < 8; ++kinds) {
                                 std::map<std::string, bool> knights;
                                 for (int i = 0; i < 3; ++i) knights[groups[1 + 2 * i]] = ((kinds >> i) & 1) != 0;
                                 std::string knaves;
                                 bool consistent = true;
                                 for (int i = 0; i < 3; ++i) {
                                   const std::string name = groups[1 + 2 * i];
                                   consistent = consistent && holds(groups[2 + 2 * i], knights) == knights[name];
                                   if (!knights[name]) knaves += (knaves.empty() ? "" : ", ") + name;
                                 }
                                 if (consistent) solutions.push_back(knaves.empty() ? "nobody" : knaves);
                               }
                               ASSERT_EQ(solutions.size(), 1u) << p.prompt;
                               EXPECT_EQ(solutions[0], p.answer) << p.prompt;
                             });
  EXPECT_GT(n, kSamples / 3);
}

}  // namespace
}  // namespace r1
