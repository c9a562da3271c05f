// command_line.cpp: the list of commands, and what their ends look like to a shell.
#include <cstdio>
#include <initializer_list>

#include <CLI/CLI.hpp>

#include "apps/commands.h"

namespace r1 {
namespace {

constexpr int kFailed = 1, kWrongUsage = 2;

using AddCommand = void (*)(CLI::App&, Action&);
constexpr std::initializer_list<AddCommand> kCommands = {
    add_run,      add_chat,  add_serve, add_score, add_bench, add_inspect,
    add_tokenize, add_synth, add_pull,  add_list,  add_rm,
};

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
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& problem) {
    std::fprintf(stderr, "r1: %s (try --help)\n", problem.what());
    return kWrongUsage;
  }
  const Status status = action();
  if (status.ok()) return 0;
  std::fprintf(stderr, "r1: %s\n", status.error().message.c_str());
  return kFailed;
}

}  // namespace r1
