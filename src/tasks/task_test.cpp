// task_test.cpp: the laws that hold for every task.
#include <algorithm>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tasks/registry.h"

namespace r1 {
namespace {

constexpr Split kSplits[] = {Split::kTrain, Split::kValidation, Split::kTest};
constexpr int kSamplesPerTask = 400;

class EveryTask : public testing::TestWithParam<const Task*> {
 protected:
  const Task& task() const { return *GetParam(); }
};

// What a grader must refuse, whatever the problem: nothing here is an answer to any.
constexpr std::string_view kHostile[] = {
    "",
    "</think>",
    "<think>",
    "<think></think>",
    "<think></think>  \n ",
    "<think></think>\n\n1/0",
    "<think></think>\n\n-",
    "<think></think>\n\n1e9",
    "<think></think>\n\n99999999999999999999999999999999",
    "<think></think>\n\n-9223372036854775808",
    "<think></think>\n\n((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))",
    "<think></think>\n\n１２",
    "<think></think>\n\n\xFF\xFE\x80",
    "<think></think>\n\n=",
    "<think></think>\n\nx=",
    "<think></think>\n\n\\boxed{",
    "<think></think>\n\n\\boxed{}",
    "<think></think>\n\n__import__('os')",
};

TEST_P(EveryTask, SplitsShareNoProblem) {
  std::set<std::string> seen[3];
  for (const Split split : kSplits) {
    for (int i = 0; i < kSamplesPerTask; ++i) {
      const std::string key = task().sample(split, static_cast<std::uint64_t>(i)).key;
      ASSERT_EQ(split_of_key(key), split) << key;
      seen[static_cast<int>(split)].insert(key);
    }
  }
  for (const std::string& key : seen[0]) EXPECT_EQ(seen[1].count(key) + seen[2].count(key), 0u) << key;
  for (const std::string& key : seen[1]) EXPECT_EQ(seen[2].count(key), 0u) << key;
}

TEST_P(EveryTask, ItsOwnTraceEarnsEverything) {
  for (const Split split : kSplits) {
    for (std::uint64_t i = 0; i < 300; ++i) {
      const Problem problem = task().sample(split, i);
      const Reward reward = task().grade(problem, problem.trace);
      ASSERT_EQ(reward.accuracy, 1) << problem.prompt << "\n" << problem.trace;
      ASSERT_EQ(reward.format, 1) << problem.trace;
      ASSERT_EQ(reward.language, 1) << problem.prompt << "\n" << problem.trace;
      ASSERT_LT(problem.trace.size(), 1000u) << problem.trace;
    }
  }
}

TEST_P(EveryTask, SameIndexGivesSameProblemInAnyOrder) {
  const Problem late = task().sample(Split::kTest, 41), early = task().sample(Split::kTest, 7);
  const Problem again = task().sample(Split::kTest, 41);
  EXPECT_EQ(late.prompt, again.prompt);
  EXPECT_EQ(late.trace, again.trace);
  EXPECT_EQ(late.key, again.key);
  EXPECT_EQ(early.trace, task().sample(Split::kTest, 7).trace);
}

TEST_P(EveryTask, ASplitHasManyProblemsInBothLanguages) {
  std::set<std::string> prompts;
  int n_chinese = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Problem problem = task().sample(Split::kTest, i);
    prompts.insert(problem.prompt);
    n_chinese += problem.language == Language::kChinese ? 1 : 0;
  }
  EXPECT_GE(prompts.size(), 20u);
  EXPECT_GT(n_chinese, 200);
  EXPECT_LT(n_chinese, 800);
}

TEST_P(EveryTask, RefusesHostileText) {
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Problem problem = task().sample(Split::kTrain, i);
    for (const std::string_view text : kHostile) EXPECT_EQ(task().grade(problem, text).accuracy, 0) << text;
  }
}

TEST_P(EveryTask, RefusesAnswersThatAreNotAnswers) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Problem problem = task().sample(Split::kTrain, i);
    const std::string& right = problem.answer;
    EXPECT_EQ(task().grade(problem, "<think>\n" + right).accuracy, 0) << "cut off";
    EXPECT_EQ(task().grade(problem, right).accuracy, 0) << "no thinking";
    EXPECT_EQ(task().grade(problem, "<think>" + right + "</think>").accuracy, 0) << "inside the thinking";
    EXPECT_EQ(task().grade(problem, "<think></think>" + right + " 17 " + right).accuracy, 0) << "several";
    EXPECT_EQ(task().grade(problem, "<think></think>" + right + "</think>wrong").accuracy, 0) << "after the last tag";
    EXPECT_EQ(task().grade(problem, "<think></think>" + std::string(5000, '1')).accuracy, 0) << "too long";
    EXPECT_EQ(task().grade(problem, "<think></think></think>" + right).format, 0) << "two ends";
    EXPECT_EQ(task().grade(problem, "hm <think></think>" + right).format, 0) << "text before the thinking";
  }
}

// Another problem's answer is right only by chance, as a number or a kind of puzzle repeats.
TEST_P(EveryTask, AnotherProblemsAnswerIsMostlyWrong) {
  int n_right = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const Problem problem = task().sample(Split::kTrain, i), other = task().sample(Split::kTrain, i + 1);
    n_right += task().grade(problem, other.trace).accuracy == 1 ? 1 : 0;
  }
  EXPECT_LT(n_right, 250);
}

// Mutations of right answers end without a crash, and a reward stays within its bounds.
TEST_P(EveryTask, GradesMutatedAnswers) {
  Rng rng(1, 2);
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const Problem problem = task().sample(Split::kTrain, i % 50);
    std::string text = problem.trace;
    for (int n = 0; n < 4; ++n) {
      const std::size_t at = rng.below(text.size());
      if (rng.below(2) == 0)
        text[at] = "0123456789+-*/()=x. \xE4"[rng.below(22)];
      else
        text.insert(at, std::string(rng.below(30), "(9-<\xFF"[rng.below(5)]));
    }
    const Reward reward = task().grade(problem, text);
    ASSERT_GE(reward.language, 0);
    ASSERT_LE(total(reward, {1, 1, 1}), 3);
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, EveryTask, testing::ValuesIn(all_tasks().begin(), all_tasks().end()),
                         [](const auto& each) { return std::string(each.param->name); });

TEST(Task, SplitsAreTenthsOfTheKeys) {
  int counts[3] = {};
  for (int i = 0; i < 20'000; ++i) ++counts[static_cast<int>(split_of_key("key " + std::to_string(i)))];
  EXPECT_NEAR(counts[0], 16'000, 400);
  EXPECT_NEAR(counts[1], 2'000, 200);
  EXPECT_NEAR(counts[2], 2'000, 200);
}

// The split of a key must never move: a model trained before would have seen what is tested after.
TEST(Task, SplitsStayWhereTheyAre) {
  EXPECT_EQ(split_of_key("compare 9.11 9.9"), Split::kTrain);
  EXPECT_EQ(split_of_key("letters strawberry r"), Split::kTest);
  EXPECT_EQ(split_of_key("add 5 6"), Split::kValidation);
  EXPECT_EQ(split_of_key("add 12 13"), Split::kTest);
  EXPECT_EQ(split_of_key("add 21 22"), Split::kValidation);
}

TEST(Task, NamesAreFoundAndOthersListThem) {
  for (const Task* task : all_tasks()) EXPECT_EQ(find_task(task->name).value(), task);
  const Result<const Task*> none = find_task("cooking");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("'cooking'"), std::string::npos);
  EXPECT_NE(none.error().message.find("countdown4"), std::string::npos);
}

}  // namespace
}  // namespace r1
