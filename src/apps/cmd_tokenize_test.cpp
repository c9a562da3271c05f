// cmd_tokenize_test.cpp: `r1 tokenize` as a shell sees it.
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include <gtest/gtest.h>

#include "apps/command_for_tests.h"
#include "tests/vocabularies.h"

namespace r1 {
namespace {

class TokenizeCommand : public testing::Test {
 protected:
  TokenizeCommand() {
    std::filesystem::create_directories(folder_);
    EXPECT_TRUE(write_file_atomically(folder_ + "/tokenizer.json", small_tokenizer_json().dump()).ok());
  }
  ~TokenizeCommand() override { std::filesystem::remove_all(folder_); }

  CommandOutcome run(std::vector<const char*> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), {"tokenize", folder_.c_str()});
    const std::string input_path = folder_ + "/stdin";
    EXPECT_TRUE(write_file_atomically(input_path, input).ok());
    const int saved_stdin = ::dup(0);
    EXPECT_NE(std::freopen(input_path.c_str(), "rb", stdin), nullptr);
    CommandOutcome outcome = run_r1(std::move(arguments));
    ::dup2(saved_stdin, 0);
    ::close(saved_stdin);
    return outcome;
  }

  const std::string folder_ = testing::TempDir() + "r1_tokenize_" + std::to_string(::getpid());
};

TEST_F(TokenizeCommand, PrintsIdsOfItsArgumentOrOfStdin) {
  EXPECT_EQ(run({"hello!"}).out, "{\"ids\":[260,33]}\n");
  EXPECT_EQ(run({}, "hello!").out, "{\"ids\":[260,33]}\n");
  EXPECT_EQ(run({""}).out, "{\"ids\":[]}\n") << "an empty argument is a text";
}

TEST_F(TokenizeCommand, DecodesWhatItPrinted) {
  const std::string text = "hello the 中文 <think> \xFF\n";
  const CommandOutcome ids = run({}, text);
  EXPECT_EQ(ids.status, 0);
  EXPECT_EQ(run({"--decode", ids.out.c_str()}).out, text);
  EXPECT_EQ(run({"--decode", "-"}, ids.out).out, text);
  EXPECT_EQ(run({"--decode", "104, 105"}).out, "hi");
}

TEST_F(TokenizeCommand, ControlTokensAreParsedOnlyWhenAsked) {
  EXPECT_EQ(run({"--special", "<｜User｜>"}).out, "{\"ids\":[267]}\n");
  EXPECT_GT(run({"<｜User｜>"}).out.size(), 30u);
  EXPECT_EQ(run({"--decode", "267"}).out, "<｜User｜>");
}

TEST_F(TokenizeCommand, BadIdsAreOneLineAndStatusOne) {
  for (const char* ids : {"x", "1,x", "-1", "99999999999999999999", "1000000", "1.5", "{\"id\":[1]}"}) {
    const CommandOutcome outcome = run({"--decode", ids});
    EXPECT_EQ(outcome.status, 1) << ids;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find("is not a token id"), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST_F(TokenizeCommand, IdsAndTextTogetherAreWrongUsage) { EXPECT_EQ(run({"--decode", "1", "text"}).status, 2); }

TEST_F(TokenizeCommand, ABrokenFolderIsOneLineAndStatusOne) {
  EXPECT_TRUE(write_file_atomically(folder_ + "/tokenizer.json", "{\"model\": {").ok());
  const CommandOutcome outcome = run({"x"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("tokenizer.json"), std::string::npos);
}

}  // namespace
}  // namespace r1
