// cmd_rm.cpp: `r1 rm`, which removes a model, or what an interrupted pull left of one, from the store.
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/commands.h"
#include "apps/store.h"
#include "apps/units.h"

namespace r1 {
namespace {

Status remove_model(const std::string& name) {
  R1_TRY(const Store store, Store::of_environment());
  R1_TRY(const std::int64_t bytes, store.remove(name));
  fmt::print(stderr, "removed {}, {} freed\n", name, format_bytes(bytes));
  return {};
}

}  // namespace

void add_rm(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("rm", "remove a model from the local store, without asking");
  auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "as `r1 list` shows it")->required();
  command->callback([&action, name] { action = [name] { return remove_model(*name); }; });
}

}  // namespace r1
