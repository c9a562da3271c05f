// cmd_serve.cpp: `r1 serve [MODEL...]`: the API and the chat page, over models or over a script, for the keys of a
// ledger or for anybody on this machine.
#include <algorithm>
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
#include "apps/model_offers.h"
#include "apps/standard_streams.h"
#include "base/file.h"
#include "base/log.h"
#include "serve/api_server.h"
#include "serve/http_server.h"
#include "serve/script_model.h"

namespace r1 {
namespace {

struct ServeOptions {
  std::vector<std::string> models;
  std::string engine = "model", name, log_format = "text", ledger, operator_token_file;
  bool insecure = false, require_keys = false;
  std::uint64_t memory_bytes = 0;
  double idle_seconds = 0;
  EngineFlags flags;
  HttpServerOptions http;
  AccessOptions access;
};

// To whoever started the server; where logs are for programs, as one of their lines.
void say(const ServeOptions& options, std::string_view what, const std::string& whom) {
  if (options.log_format == "json")
    log_info(what, {{"what", std::string_view(whom)}});
  else
    std::fprintf(stderr, "r1: %s %s\n", std::string(what).c_str(), on_one_line(whom).c_str());
}

constexpr std::string_view kScriptPrefix = "script:";

// What is served, and how it comes and goes.
struct Offers {
  std::vector<OfferedModel> models;
  RosterOptions options;
};

Result<Offers> offer_script(const ServeOptions& options) {
  if (!options.models.empty()) return Error{ErrorCode::kInvalidInput, "--engine script:FILE is served without a MODEL"};
  R1_TRY(std::shared_ptr<ScriptModel> script, ScriptModel::load(options.engine.substr(kScriptPrefix.size())));
  ServedModel served = script->served();
  if (!options.name.empty()) served.name = options.name;
  OfferedModel offer{.name = served.name,
                     .context_length = served.engine->context_length(),
                     .bytes = 0,
                     .load = nullptr,
                     .loaded = std::move(served)};
  offer.loaded->keeps = std::move(script);
  return Offers{{std::move(offer)}, {}};
}

// The first is loaded now: it is what requests get that name none, and what is wrong with it should be known at once.
Result<Offers> offer_models_of(const ServeOptions& options) {
  if (options.models.empty()) {
    return Error{ErrorCode::kInvalidInput,
                 "which model? `r1 list` shows those in the store; --engine script:FILE needs none"};
  }
  Offers offers;
  offers.options.idle_ms = static_cast<std::int64_t>(options.idle_seconds * 1000);
  OfferOptions offered{.flags = options.flags, .name = options.name};
  if (options.memory_bytes > 0) {
    R1_TRY(offers.options.bytes_max, bytes_for_models(static_cast<std::int64_t>(options.memory_bytes)));
    offered.flags.memory_bytes = offers.options.bytes_max;
  }
  R1_TRY(offers.models, offer_models(options.models, offered));
  OfferedModel& first = offers.models.front();
  if (offers.options.bytes_max > 0 && first.bytes > offers.options.bytes_max) {
    return Error{ErrorCode::kOutOfResource, fmt::format("{} needs {:.1f} MiB, --memory leaves {:.1f} MiB for models",
                                                        first.name, static_cast<double>(first.bytes) / 0x1p20,
                                                        static_cast<double>(offers.options.bytes_max) / 0x1p20)};
  }
  say(options, "loading", options.models.front());
  R1_TRY(first.loaded, first.load());
  return offers;
}

void announce(const ServeOptions& options, const std::string& names, int port) {
  const std::string& host = options.http.host;
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
Result<std::unique_ptr<Accounts>> open_accounts(const ServeOptions& options) {
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

// The file's only line.
Result<std::string> read_operator_token(const std::string& path) {
  constexpr std::size_t kShortest = 16, kLongest = 1024;
  if (path.empty()) return std::string();
  R1_TRY(std::string token, read_file(path, kLongest + 2));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  const bool is_plain = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
  if (is_plain && token.size() >= kShortest) return token;
  return Error{ErrorCode::kInvalidInput,
               fmt::format("{}: an operator's token is one line of at least {} letters, digits and signs, without "
                           "spaces (openssl rand -hex 32 makes one)",
                           path, kShortest)};
}

// On the loading thread.
Status publish(const ServeOptions& options, const HttpServer& server, ApiServer& api) {
  const bool is_script = options.engine.starts_with(kScriptPrefix);
  R1_TRY(Offers offers, is_script ? offer_script(options) : offer_models_of(options));
  if (server.stopping()) return {};
  std::string names;
  for (const OfferedModel& model : offers.models) names += (names.empty() ? "" : ", ") + model.name;
  api.publish(std::move(offers.models), std::move(offers.options));
  announce(options, names, server.port());
  return {};
}

// The port is taken first: /ready tells how far the loading is, and a port in use is reported before minutes of it.
Status serve(const ServeOptions& options) {
  if (options.log_format == "json") set_log_format(LogFormat::kJson);
  R1_TRY(std::unique_ptr<Accounts> accounts, open_accounts(options));
  if (!options.engine.starts_with(kScriptPrefix) && options.engine != "model")
    return Error{ErrorCode::kInvalidInput, fmt::format("--engine {}: it can be model or script:FILE", options.engine)};
  AccessOptions access = options.access;
  R1_TRY(access.operator_token, read_operator_token(options.operator_token_file));
  // Ends before the accounts: engines that stop report what they have produced.
  auto api = std::make_unique<ApiServer>(std::vector<ServedModel>(), std::move(access), accounts.get());
  R1_TRY(std::unique_ptr<HttpServer> server, HttpServer::listen(options.http, *api));
  api->report_on(server.get());
  Status published;
  std::atomic<bool> is_published = false;
  std::thread loading([&] {
    published = publish(options, *server, *api);
    is_published = true;
    if (!published.ok()) server->stop();
  });
  server->run();
  // Loading can't be called off and may take minutes. Here nobody was answered yet; below, all others are.
  if (!is_published) std::_Exit(0);
  loading.join();
  const bool is_loading = api->is_loading_model();
  server.reset();
  api.reset();
  accounts.reset();
  if (is_loading) std::_Exit(0);
  return published;
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto options = std::make_shared<ServeOptions>();
  options->http.port = 8080;
  options->http.stops_on_signals = true;
  CLI::App* command = app.add_subcommand("serve", "an API server (DeepSeek's and OpenAI's dialects) with a chat page");
  command->add_option("MODEL", options->models,
                      "paths, or names in the store; the first is loaded now, others when they are asked for");
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
  command->add_option("--operator-token-file", options->operator_token_file,
                      "who sends the token in this file reads /metrics and all of /health; without it, they are open "
                      "where no keys are required, and closed where they are");
  command->add_flag("--insecure-no-auth", options->insecure, "listen also where others can reach it, without keys");
  command->add_option("--allow-host", options->access.hosts, "a host name under which the server may be addressed")
      ->allow_extra_args(false);
  command->add_option("--allow-origin", options->access.origins, "an origin whose web pages may use the server")
      ->allow_extra_args(false);
  command
      ->add_option("--memory", options->memory_bytes,
                   "for everything the process holds (as 24G): models make room for each other (default: no limit)")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 50));
  command
      ->add_option("--idle-seconds", options->idle_seconds,
                   "a model that nobody has used for so long is unloaded (default: it stays)")
      ->check(CLI::Range(0.0, 1e9));
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
