// cmd_config.cpp: CLI11 reads the file into names and values; here they become options that were not given otherwise.
#include "apps/cmd_config.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace r1 {
namespace {

constexpr const char* kConfig = "config";

// "R1_DRAIN_SECONDS" of --drain-seconds, "R1_MODEL" of MODEL.
std::string environment_name(const CLI::Option& option) {
  std::string name = option.get_lnames().empty() ? option.get_name() : option.get_lnames().front();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(c == '-' ? '_' : std::toupper(c)); });
  return "R1_" + name;
}

CLI::Option& find_option(CLI::App& command, const CLI::ConfigItem& item) {
  CLI::Option* option = command.get_option_no_throw("--" + item.name);
  if (option == nullptr) option = command.get_option_no_throw(item.name);  // a positional: MODEL
  const bool is_foreign = !item.parents.empty() && item.parents != std::vector<std::string>{command.get_name()};
  if (option == nullptr || is_foreign || item.name == kConfig || option == command.get_help_ptr())
    throw CLI::ConfigError(fmt::format("'{}' is no option of r1 {}", item.fullname(), command.get_name()));
  return *option;
}

void take(CLI::App& command, const CLI::ConfigItem& item) {
  CLI::Option& option = find_option(command, item);
  if (!option.empty()) return;
  if (option.get_expected_min() == 0)
    option.add_result(option.get_flag_value(item.name, CLI::ConfigTOML().to_flag(item)));
  else
    option.add_result(item.inputs);
  option.run_callback();
}

void read_config_file(CLI::App& command, const std::string& path) {
  try {
    for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_file(path))
      if (item.name != "++" && item.name != "--") take(command, item);  // those mark where a section begins and ends
  } catch (const CLI::FileError&) {
    throw CLI::FileError(fmt::format("--config {}: cannot be read", path));
  } catch (const CLI::ParseError& problem) {
    throw CLI::ConfigError(fmt::format("{}: {}", path, problem.what()));
  }
}

}  // namespace

void read_also_from_environment_and_file(CLI::App& command) {
  auto path = std::make_shared<std::string>();
  command.add_option(fmt::format("--{}", kConfig), *path, "a file of options: `port = 8080`, a line each");
  for (CLI::Option* option : command.get_options())
    if (option != command.get_help_ptr()) option->envname(environment_name(*option));
  // After the command line and the environment were read, and before what the command does with its options.
  command.parse_complete_callback([&command, path] {
    if (!path->empty()) read_config_file(command, *path);
  });
}

}  // namespace r1
