// commands.h: the commands of `r1`, one file each: cmd_NAME.cpp defines add_NAME.
//
// add_NAME declares a subcommand with its options and, when the command line chose it, sets `action` to what it does.
// An Error that an action returns is printed as one line on stderr and ends the program with status 1; wrong usage ends
// it with 2. Results go to stdout, everything else to stderr.
#pragma once

#include <functional>

#include "base/result.h"

namespace CLI {
class App;
}

namespace r1 {

using Action = std::function<Status()>;

// Added to the command line in the order of apps/command_line.cpp.
void add_run(CLI::App& app, Action& action);
void add_chat(CLI::App& app, Action& action);
void add_score(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_inspect(CLI::App& app, Action& action);
void add_synth(CLI::App& app, Action& action);
void add_tokenize(CLI::App& app, Action& action);
void add_tasks(CLI::App& app, Action& action);
void add_train(CLI::App& app, Action& action);
void add_recipe(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_pull(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);
void add_rm(CLI::App& app, Action& action);
void add_keys(CLI::App& app, Action& action);
void add_ledger(CLI::App& app, Action& action);
void add_cost(CLI::App& app, Action& action);

// Parses and runs; returns the exit status.
int run_command_line(int argc, const char* const* argv);

}  // namespace r1
