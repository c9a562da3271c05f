// cmd_config_test.cpp: who wins, and what a wrong line says.
#include "apps/cmd_config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include <CLI/CLI.hpp>

#include "base/temp_folder_for_tests.h"

namespace r1 {
namespace {

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    CLI::App* command = app.add_subcommand("serve");
    command->add_option("MODEL", models);
    command->add_option("--port", port)->check(CLI::Range(0, 65535));
    command->add_option("--log-format", format)->check(CLI::IsMember({"text", "json"}));
    command->add_option("--allow-host", hosts)->allow_extra_args(false);
    command->add_flag("--log-requests", logs);
    command->callback([this] { port_seen = port; });
    read_also_from_environment_and_file(*command);
  }
  ~ConfigTest() override {
    for (const char* name : {"R1_PORT", "R1_LOG_FORMAT", "R1_CONFIG", "R1_MODEL", "R1_LOG_REQUESTS"}) unsetenv(name);
  }

  // What is wrong; "": nothing.
  std::string parse(const std::string& file, const std::string& line = "") {
    const std::string path = folder.path_of("serve.toml");
    std::ofstream(path) << file;
    try {
      app.parse("r1 serve " + line + (file.empty() ? "" : " --config " + path), true);
    } catch (const CLI::ParseError& problem) {
      return problem.what();
    }
    return "";
  }

  TempFolder folder;
  CLI::App app;
  std::vector<std::string> models, hosts;
  std::string format = "text";
  int port = 8080, port_seen = 0;
  bool logs = false;
};

TEST_F(ConfigTest, AFileGivesEveryKindOfOption) {
  EXPECT_EQ(parse("# a comment\nMODEL = [\"a.gguf\", \"b.gguf\"]\nport = 81\nlog-format = \"json\"\n"
                  "allow-host = [\"x.org\", \"y.org\"]\nlog-requests = true\n"),
            "");
  EXPECT_EQ(models, (std::vector<std::string>{"a.gguf", "b.gguf"}));
  EXPECT_EQ(hosts, (std::vector<std::string>{"x.org", "y.org"}));
  EXPECT_EQ(port, 81);
  EXPECT_EQ(port_seen, 81) << "the command sees what the file says";
  EXPECT_EQ(format, "json");
  EXPECT_TRUE(logs);
}

TEST_F(ConfigTest, TheCommandLineWinsOverTheEnvironmentAndThatOverTheFile) {
  setenv("R1_PORT", "82", 1);
  setenv("R1_LOG_FORMAT", "json", 1);
  EXPECT_EQ(parse("[serve]\nport = 81\nlog-format = \"text\"\nMODEL = \"c\"\n", "--port 83"), "");
  EXPECT_EQ(port, 83);
  EXPECT_EQ(format, "json");
  EXPECT_EQ(models, std::vector<std::string>{"c"});
}

TEST_F(ConfigTest, TheEnvironmentAloneWillDo) {
  setenv("R1_PORT", "82", 1);
  setenv("R1_MODEL", "d.gguf", 1);
  setenv("R1_LOG_REQUESTS", "1", 1);
  EXPECT_EQ(parse(""), "");
  EXPECT_EQ(port, 82);
  EXPECT_EQ(models, std::vector<std::string>{"d.gguf"});
  EXPECT_TRUE(logs);
}

TEST_F(ConfigTest, WrongLinesAreNamed) {
  EXPECT_NE(parse("prot = 81\n").find("serve.toml: 'prot' is no option of r1 serve"), std::string::npos);
}

TEST_F(ConfigTest, WrongValuesAreNamed) {
  const std::string problem = parse("port = 99999\n");
  EXPECT_NE(problem.find("serve.toml"), std::string::npos) << problem;
  EXPECT_NE(problem.find("99999"), std::string::npos) << problem;
}

TEST_F(ConfigTest, OtherCommandsSectionsAreRefused) {
  EXPECT_NE(parse("[chat]\nport = 81\n").find("'chat.port' is no option of r1 serve"), std::string::npos);
}

TEST_F(ConfigTest, AFileThatIsNotThereIsNamed) {
  EXPECT_NE(parse("", "--config /nowhere/serve.toml").find("/nowhere/serve.toml"), std::string::npos);
}

}  // namespace
}  // namespace r1
