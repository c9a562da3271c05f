// answers_test.cpp: answers and traces against computations that share nothing with the generators but the text.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "tasks/expression.h"
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
  const std::pair<const Task*, char> cases[] = {{&kAddition, '+'}, {&kSubtraction, '-'}, {&kMultiplication, '*'}};
  for (const auto& [task, operation] : cases) {
    const int n = for_matching(*task, R"((\d+)[-+*](\d+))", [&, op = operation](const auto& groups, const Problem& p) {
      const std::int64_t a = std::stoll(groups[1]), b = std::stoll(groups[2]);
      EXPECT_EQ(std::stoll(p.answer), op == '+' ? a + b : op == '-' ? a - b : a * b) << p.prompt;
    });
    EXPECT_EQ(n, kSamples);
  }
}

TEST(TaskAnswers, ChainsAreWorkedFromTheLeft) {
  const int n = for_matching(kChains, R"(^(?:Begin with |从)(\d+))", [](const auto& groups, const Problem& p) {
    std::int64_t value = std::stoll(groups[1]);
    const std::regex step(R"((plus|minus|times|divided by|加上|减去|乘以|除以) ?(\d+))");
    for (std::sregex_iterator at(p.prompt.begin(), p.prompt.end(), step), end; at != end; ++at) {
      const std::string operation = (*at)[1];
      const std::int64_t operand = std::stoll((*at)[2]);
      if (operation == "plus" || operation == "加上") value += operand;
      if (operation == "minus" || operation == "减去") value -= operand;
      if (operation == "times" || operation == "乘以") value *= operand;
      if (operation == "divided by" || operation == "除以") value /= operand;
    }
    EXPECT_EQ(std::stoll(p.answer), value) << p.prompt;
  });
  EXPECT_EQ(n, kSamples);
}

TEST(TaskAnswers, LettersAreCounted) {
  const auto check = [](const std::string& word, char letter, const Problem& p) {
    EXPECT_EQ(std::stol(p.answer), std::count(word.begin(), word.end(), letter)) << p.prompt;
  };
  const int english =
      for_matching(kLetters, R"(How many (\w)'s are in (\w+)\?)",
                   [&](const auto& groups, const Problem& p) { check(groups[2], *groups[1].first, p); });
  const int chinese = for_matching(kLetters, "(\\w+)里有几个(\\w)？", [&](const auto& groups, const Problem& p) {
    check(groups[1], *groups[2].first, p);
  });
  EXPECT_EQ(english + chinese, kSamples);
}

TEST(TaskAnswers, DecimalsCompareAsNumbers) {
  const int n = for_matching(kDecimals, R"((\d+\.\d+)\D+?(\d+\.\d+))", [](const auto& groups, const Problem& p) {
    const double a = std::stod(groups[1]), b = std::stod(groups[2]);
    const bool larger = p.prompt.find("larger") != std::string::npos || p.prompt.find("大") != std::string::npos;
    EXPECT_EQ(std::stod(p.answer), larger ? std::max(a, b) : std::min(a, b)) << p.prompt;
  });
  EXPECT_EQ(n, kSamples);
}

TEST(TaskAnswers, EquationsHoldForTheirSolution) {
  const int n = for_matching(kEquations, R"((\d*)x([-+]\d+)?=(?:(\d*)x([-+]\d+)?|(-?\d+)))",
                             [](const auto& groups, const Problem& p) {
                               const auto number = [&](int group, int fallback) {
                                 return groups[group].length() > 0 ? std::stoi(groups[group]) : fallback;
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
  const int n_weekdays =
      for_matching(kDates, R"(Today is (\w+)\..* (\d+) days)", [](const auto& groups, const Problem& p) {
        constexpr std::string_view kDays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                              "Friday", "Saturday", "Sunday"};
        const auto today = std::find(std::begin(kDays), std::end(kDays), groups[1].str()) - std::begin(kDays);
        char expected[32];
        const std::tm day = later(0, static_cast<int>(today) + 1, std::stoi(groups[2]));
        std::strftime(expected, sizeof(expected), "%A", &day);
        EXPECT_EQ(p.answer, expected) << p.prompt;
      });
  const int n_dates = for_matching(kDates, "(\\d+)月(\\d+)日的(\\d+)天后", [](const auto& groups, const Problem& p) {
    const std::tm day = later(std::stoi(groups[1]) - 1, std::stoi(groups[2]), std::stoi(groups[3]));
    EXPECT_EQ(p.answer, std::to_string(day.tm_mon + 1) + "月" + std::to_string(day.tm_mday) + "日") << p.prompt;
  });
  EXPECT_GT(n_weekdays, kSamples / 8);
  EXPECT_GT(n_dates, kSamples / 8);
}

TEST(TaskAnswers, PurchasesGiveChange) {
  const int n =
      for_matching(kWordProblems,
                   R"(buys (\d+) pens at (\d+) yuan each(?: and (\d+) books at (\d+) yuan each)? and pays with (\d+))",
                   [](const auto& groups, const Problem& p) {
                     int cost = std::stoi(groups[1]) * std::stoi(groups[2]);
                     if (groups[3].matched) cost += std::stoi(groups[3]) * std::stoi(groups[4]);
                     EXPECT_EQ(std::stoi(p.answer), std::stoi(groups[5]) - cost) << p.prompt;
                   });
  EXPECT_GT(n, kSamples / 16);
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
