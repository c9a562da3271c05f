// command_line.cpp: the list of commands, and what their ends look like to a shell.
#include <cstdio>
#include <initializer_list>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>

#include "apps/commands.h"
#include "apps/standard_streams.h"

namespace r1 {
namespace {

constexpr int kFailed = 1, kWrongUsage = 2;

using AddCommand = void (*)(CLI::App&, Action&);
constexpr std::initializer_list<AddCommand> kCommands = {
    add_run,   add_chat,   add_serve, add_score, add_bench, add_inspect, add_tokenize, add_synth, add_tasks,
    add_train, add_recipe, add_pull,  add_list,  add_rm,    add_keys,    add_ledger,   add_cost,
};

void complain(std::string_view message, std::string_view advice = "") {
  const std::string line = "r1: " + on_one_line(message) + std::string(advice) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

Status run_action(const Action& action) {
  try {
    R1_TRY_STATUS(action());
  } catch (const std::system_error& problem) {  // fmt's way to say that a stream takes no more
    return Error{ErrorCode::kIo, std::string("writing to stdout or stderr failed: ") + problem.what()};
  }
  return flush_stdout();
}

int print_help_or_version(const CLI::App& app, const CLI::Success& wanted) {
  const int status = app.exit(wanted);
  if (std::cout.flush()) return status;
  complain("writing to stdout failed");
  return kFailed;
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  CLI::App app{"r1: run, serve, measure and train DeepSeek-R1-class reasoning models on hardware you own", "r1"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "r1 " R1_VERSION);
  Action action;
  for (const AddCommand add : kCommands) add(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return print_help_or_version(app, help_or_version);
  } catch (const CLI::ParseError& problem) {
    complain(problem.what(), " (try --help)");
    return kWrongUsage;
  }
  const Status status = run_action(action);
  if (status.ok()) return 0;
  complain(status.error().message);
  return kFailed;
}

}  // namespace r1
