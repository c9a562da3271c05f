// cmd_list.cpp: `r1 list`, the models in the store.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/store.h"
#include "apps/units.h"
#include "base/json.h"

namespace r1 {
namespace {

void print_json(const std::vector<StoredModel>& models) {
  OrderedJson array = OrderedJson::array();
  for (const StoredModel& model : models) {
    array.push_back({{"name", model.name},
                     {"bytes", model.bytes},
                     {"type", model.kind},
                     {"modified", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(model.modified_unix_s))},
                     {"path", model.path},
                     {"origin", model.origin}});
    if (model.kind == "unfinished") array.back()["total_bytes"] = model.total_bytes;
  }
  fmt::print("{}\n", array.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
}

std::string size_text(const StoredModel& model) {
  if (model.total_bytes == 0) return format_bytes(model.bytes);
  return fmt::format("{} of {}", format_bytes(model.bytes), format_bytes(model.total_bytes));
}

void print_table(const std::vector<StoredModel>& models) {
  std::size_t name_width = 4, size_width = 4;
  for (const StoredModel& model : models) {
    name_width = std::max(name_width, model.name.size());
    size_width = std::max(size_width, size_text(model).size());
  }
  fmt::print("{:<{}}  {:>{}}  {:<11}  {:<16}  {}\n", "NAME", name_width, "SIZE", size_width, "TYPE", "MODIFIED",
             "PATH");
  for (const StoredModel& model : models) {
    fmt::print("{:<{}}  {:>{}}  {:<11}  {:%Y-%m-%d %H:%M}  {}\n", model.name, name_width, size_text(model), size_width,
               model.kind, fmt::localtime(model.modified_unix_s), model.path);
  }
}

Status list_models(bool as_json) {
  R1_TRY(const Store store, Store::of_environment());
  const std::vector<StoredModel> models = store.list();
  if (as_json) {
    print_json(models);
  } else if (models.empty()) {
    fmt::print(stderr, "no models in {} yet; `r1 pull smollm2:135m` gets a small one\n", store.home());
  } else {
    print_table(models);
  }
  return {};
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("list", "list the models in the local store");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "print a JSON array");
  command->callback([&action, as_json] { action = [as_json] { return list_models(*as_json); }; });
}

}  // namespace r1
