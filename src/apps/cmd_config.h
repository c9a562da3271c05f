// cmd_config.h: a command's options from two more places than its command line: the environment, and a file.
#pragma once

namespace CLI {
class App;
}

namespace r1 {

// To be called when all options are there. Each option --some-thing can then also be given as R1_SOME_THING in the
// environment, and as `some-thing = …` in the file that --config names (TOML's plain lines; `[serve]`, the command's
// name, may stand above them). The command line wins over the environment, the environment over the file. A line that
// is no option of the command is wrong usage.
void read_also_from_environment_and_file(CLI::App& command);

}  // namespace r1
