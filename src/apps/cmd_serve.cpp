// cmd_serve.cpp: `r1 serve [MODEL...]`: the API and the chat page, over models or over a script, for the keys of a
// ledger or for anybody on this machine.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/cmd_config.h"
#include "apps/commands.h"
#include "apps/ledger_file.h"
#include "apps/loaded_model.h"
#include "apps/standard_streams.h"
#include "base/log.h"
#include "serve/api_server.h"
#include "serve/http_server.h"
#include "serve/script_model.h"

namespace r1 {
namespace {

struct Options {
  std::vector<std::string> models;
  std::string engine = "model", name, log_format = "text", ledger;
  bool insecure = false, require_keys = false;
  EngineFlags flags;
  HttpServerOptions http;
  AccessOptions access;
};

// What is served, and what keeps it alive.
struct Served {
  std::vector<std::unique_ptr<LoadedModel>> loaded;
  std::unique_ptr<ScriptModel> script;
  std::vector<ServedModel> models;
};

// To whoever started the server; where logs are for programs, as one of their lines.
void say(const Options& options, std::string_view what, const std::string& whom) {
  if (options.log_format == "json")
    log_info(what, {{"what", std::string_view(whom)}});
  else
    std::fprintf(stderr, "r1: %s %s\n", std::string(what).c_str(), on_one_line(whom).c_str());
}

constexpr std::string_view kScriptPrefix = "script:";

Status load_script(const Options& options, Served& served) {
  if (!options.models.empty()) return Error{ErrorCode::kInvalidInput, "--engine script:FILE is served without a MODEL"};
  R1_TRY(served.script, ScriptModel::load(options.engine.substr(kScriptPrefix.size())));
  served.models.push_back(served.script->served());
  return {};
}

Status load_models(const Options& options, Served& served) {
  if (options.models.empty()) {
    return Error{ErrorCode::kInvalidInput,
                 "which model? `r1 list` shows those in the store; --engine script:FILE needs none"};
  }
  for (const std::string& model : options.models) {
    say(options, "loading", model);
    R1_TRY(std::unique_ptr<LoadedModel> loaded, LoadedModel::load(model, options.flags));
    served.models.push_back({.name = loaded->name(),
                             .engine = &loaded->engine(),
                             .tokenizer = &loaded->tokenizer(),
                             .chat_template = &loaded->chat_template(),
                             .sampling = loaded->default_sampling()});
    served.loaded.push_back(std::move(loaded));
  }
  return {};
}

// The name clients ask for, unlike the path, is a promise to them.
Status name_models(const Options& options, Served& served) {
  if (!options.name.empty() && served.models.size() > 1)
    return Error{ErrorCode::kInvalidInput, "--name is for one model; several keep their own names"};
  if (!options.name.empty()) served.models.front().name = options.name;
  for (std::size_t i = 0; i < served.models.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (served.models[i].name == served.models[j].name)
        return Error{ErrorCode::kInvalidInput, fmt::format("two models are called '{}'", served.models[i].name)};
    }
  }
  return {};
}

void announce(const Options& options, const Served& served, int port) {
  const std::string& host = options.http.host;
  std::string names;
  for (const ServedModel& model : served.models) names += (names.empty() ? "" : ", ") + model.name;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  say(options, "serving",
      fmt::format(fmt::runtime(is_ipv6 ? "{} on http://[{}]:{}" : "{} on http://{}:{}"), names, host, port));
}

Result<std::int64_t> count_usable_keys(Ledger& ledger) {
  const std::int64_t now_unix_ms = std::int64_t{std::time(nullptr)} * 1000;
  std::int64_t n_keys = 0;
  R1_TRY_STATUS(ledger.look([&](const LedgerState& state) {
    for (const auto& [id, key] : state.keys()) {
      const std::int64_t expires = key.detail.limits.expires_unix_ms;
      n_keys += !key.revoked && (expires == 0 || expires > now_unix_ms);
    }
  }));
  return n_keys;
}

// Null: whoever reaches the server may use it. On this machine that is the default; a ledger must be asked for there,
// as only one server at a time can serve with it.
Result<std::unique_ptr<Accounts>> open_accounts(const Options& options) {
  const bool is_open = options.insecure || is_loopback(options.http.host);
  if (options.insecure && options.require_keys)
    return Error{ErrorCode::kInvalidInput, "--insecure-no-auth and --require-keys contradict each other"};
  if (is_open && !options.require_keys && options.ledger.empty()) return std::unique_ptr<Accounts>();
  auto ledger = open_existing_ledger(options.ledger, LedgerRole::kServes);
  if (!ledger.ok() && is_open) return ledger.error();
  if (!ledger.ok()) {
    return with_context(ledger.error(),
                        fmt::format("--host {} needs API keys, or --insecure-no-auth", options.http.host));
  }
  R1_TRY(const std::int64_t n_keys, count_usable_keys(**ledger));
  if (!is_open && n_keys == 0) {
    return Error{
        ErrorCode::kInvalidInput,
        fmt::format("--host {} lets everybody who reaches this machine in, and the ledger has no API key to tell "
                    "them apart: `r1 keys create NAME` makes one, --insecure-no-auth does without",
                    options.http.host)};
  }
  const KeyRule rule = is_open && !options.require_keys ? KeyRule::kOptional : KeyRule::kRequired;
  return std::make_unique<Accounts>(*std::move(ledger), rule);
}

// The port is taken first: /ready tells how far the loading is, and a port in use is reported before minutes of it.
Status serve(const Options& options) {
  if (options.log_format == "json") set_log_format(LogFormat::kJson);
  R1_TRY(const std::unique_ptr<Accounts> accounts, open_accounts(options));
  Served served;  // ends before the accounts: engines that stop report what they have produced
  const bool is_script = options.engine.starts_with(kScriptPrefix);
  if (!is_script && options.engine != "model")
    return Error{ErrorCode::kInvalidInput, fmt::format("--engine {}: it can be model or script:FILE", options.engine)};
  ApiServer api({}, options.access, accounts.get());
  R1_TRY(const std::unique_ptr<HttpServer> server, HttpServer::listen(options.http, api));
  api.report_on(server.get());
  const int port = server->port();
  Status loaded;
  std::atomic<bool> is_loaded = false;
  std::thread loading([&] {
    loaded = is_script ? load_script(options, served) : load_models(options, served);
    if (loaded.ok()) loaded = name_models(options, served);
    is_loaded = true;
    if (!loaded.ok() || server->stopping()) return server->stop();
    api.publish(served.models);
    announce(options, served, port);
  });
  server->run();
  // Loading can't be called off, may take minutes, and nobody was answered yet.
  if (!is_loaded) std::_Exit(0);
  loading.join();
  return loaded;
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  options->http.port = 8080;
  options->http.stops_on_signals = true;
  CLI::App* command = app.add_subcommand("serve", "an API server (DeepSeek's and OpenAI's dialects) with a chat page");
  command->add_option("MODEL", options->models, "paths, or names in the store");
  command->add_option("--host", options->http.host, "address to listen on")->capture_default_str();
  command->add_option("--port", options->http.port, "0: any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("--name", options->name, "the name under which clients ask for the model");
  command->add_option("--engine", options->engine, "model, or script:FILE (docs/scripted-engine.md)")
      ->capture_default_str();
  command
      ->add_option_function<double>(
          "--drain-seconds", [options](double seconds) { options->http.drain_ms = static_cast<int>(seconds * 1000); },
          "after SIGTERM or Ctrl-C answers may go on for so long; a second one ends them at once")
      ->check(CLI::Range(0.0, 86400.0))
      ->default_str("30");
  command
      ->add_option("--log-format", options->log_format,
                   "text, or json: an object a line, with one for each request (docs/api.md)")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->add_flag("--log-requests", options->http.logs_requests, "log each request in the text format too");
  command->add_option(
      "--ledger", options->ledger,
      "keys and accounts: a file, or postgresql://HOST/DATABASE (docs/ledger.md; default where keys are required: "
      "ledger.db beside the model store)");
  command->add_flag("--require-keys", options->require_keys, "no request without an API key, on this machine either");
  command->add_flag("--insecure-no-auth", options->insecure, "listen also where others can reach it, without keys");
  command->add_option("--allow-host", options->access.hosts, "a host name under which the server may be addressed")
      ->allow_extra_args(false);
  command->add_option("--allow-origin", options->access.origins, "an origin whose web pages may use the server")
      ->allow_extra_args(false);
  options->flags.add_to(*command);
  options->flags.add_context_to(*command);
  options->flags.add_parallel_to(*command);
  options->flags.add_prefix_cache_to(*command);
  read_also_from_environment_and_file(*command);
  command->callback([options, &action] {
    options->http.logs_requests |= options->log_format == "json";
    action = [options] { return serve(*options); };
  });
}

}  // namespace r1
