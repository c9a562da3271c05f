// cmd_tasks_test.cpp: `r1 tasks` as a shell sees it.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "apps/command_for_tests.h"

namespace r1 {
namespace {

TEST(TasksCommand, ShowsProblemsThatItGradesAsRight) {
  const CommandOutcome shown =
      run_r1({"tasks", "show", "countdown4", "--split", "test", "--index", "7", "-n", "3", "--trace"});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_EQ(std::count(shown.out.begin(), shown.out.end(), '\n'), 3);
  const nlohmann::json first = nlohmann::json::parse(shown.out.substr(0, shown.out.find('\n')));
  EXPECT_EQ(first["index"], 7);
  EXPECT_EQ(first["split"], "test");
  const std::string trace = first["trace"];
  const CommandOutcome graded =
      run_r1({"tasks", "grade", "countdown4", "--split", "test", "--index", "7", trace.c_str()});
  EXPECT_EQ(graded.out, "{\"accuracy\":1.0,\"format\":1.0,\"language\":1.0,\"total\":1.1}\n");
  EXPECT_EQ(nlohmann::json::parse(run_r1({"tasks", "grade", "countdown4", "no idea"}).out)["total"], 0.0);
}

TEST(TasksCommand, ListsEveryTaskWithTheChanceOfARandomAttempt) {
  const std::string list = run_r1({"tasks", "list"}).out;
  for (const char* text : {"addition", "countdown3", "game24", "chat", "%"})
    EXPECT_NE(list.find(text), std::string::npos);
}

TEST(TasksCommand, UnknownNamesAreOneLine) {
  const CommandOutcome task = run_r1({"tasks", "show", "cooking"});
  EXPECT_EQ(task.status, 1);
  EXPECT_NE(task.err.find("no task is called 'cooking'"), std::string::npos) << task.err;
  EXPECT_EQ(run_r1({"tasks", "show", "addition", "--split", "dev"}).status, 2);
  EXPECT_EQ(run_r1({"tasks", "show", "addition", "-n", "0"}).status, 2);
  EXPECT_EQ(run_r1({"tasks"}).status, 2);
}

}  // namespace
}  // namespace r1
