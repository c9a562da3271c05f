// cmd_tasks_test.cpp: `r1 tasks` as a shell sees it.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "apps/commands.h"

namespace r1 {
namespace {

struct Outcome {
  int status;
  std::string out, err;
};

Outcome run(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), {"r1", "tasks"});
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome{run_command_line(static_cast<int>(arguments.size()), arguments.data()), "", ""};
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(TasksCommand, ShowsProblemsThatItGradesAsRight) {
  const Outcome shown = run({"show", "countdown4", "--split", "test", "--index", "7", "-n", "3", "--trace"});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_EQ(std::count(shown.out.begin(), shown.out.end(), '\n'), 3);
  const nlohmann::json first = nlohmann::json::parse(shown.out.substr(0, shown.out.find('\n')));
  EXPECT_EQ(first["index"], 7);
  EXPECT_EQ(first["split"], "test");
  const std::string trace = first["trace"];
  const Outcome graded = run({"grade", "countdown4", "--split", "test", "--index", "7", trace.c_str()});
  EXPECT_EQ(graded.out, "{\"accuracy\":1.0,\"format\":1.0,\"language\":1.0,\"total\":1.1}\n");
  EXPECT_EQ(nlohmann::json::parse(run({"grade", "countdown4", "no idea"}).out)["total"], 0.0);
}

TEST(TasksCommand, ListsEveryTaskWithTheChanceOfARandomAttempt) {
  const std::string list = run({"list"}).out;
  for (const char* text : {"addition", "countdown3", "game24", "chat", "%"})
    EXPECT_NE(list.find(text), std::string::npos);
}

TEST(TasksCommand, UnknownNamesAreOneLine) {
  const Outcome task = run({"show", "cooking"});
  EXPECT_EQ(task.status, 1);
  EXPECT_NE(task.err.find("no task is called 'cooking'"), std::string::npos) << task.err;
  EXPECT_EQ(run({"show", "addition", "--split", "dev"}).status, 2);
  EXPECT_EQ(run({"show", "addition", "-n", "0"}).status, 2);
  EXPECT_EQ(run({}).status, 2);
}

}  // namespace
}  // namespace r1
