// api_status.cpp: what the server tells of itself: its models, its health, what it counts, its API, and the chat page.
#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/api_server.h"
#include "serve/metrics.h"
#include "serve/openapi.h"
#include "serve/page.h"

namespace r1 {
namespace {

// Scripts and styles come from this server only, and no text becomes markup; nothing may frame the page.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape =
        text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    out += is_escape ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
    if (is_escape) i += 2;
  }
  return out;
}

// Its key is for all models, or for this one; nobody's may use all as well.
bool may_use(const Caller& caller, std::string_view model) {
  return caller.models.empty() || std::find(caller.models.begin(), caller.models.end(), model) != caller.models.end();
}

OrderedJson model_json(const ModelRoster::Entry& entry, std::int64_t created_s) {
  return {{"id", entry.offer.name},
          {"object", "model"},
          {"created", created_s},
          {"owned_by", "r1.cpp"},
          {"context_length", entry.offer.context_length},
          {"state", name_of(entry.state)}};
}

OrderedJson health_json(const ModelRoster::Entry& entry) {
  const EngineStats stats = entry.offer.loaded ? entry.offer.loaded->engine->stats() : EngineStats{};
  return {{"id", entry.offer.name},
          {"state", name_of(entry.state)},
          {"running", stats.n_running},
          {"waiting", stats.n_waiting},
          {"prompt_tokens", stats.prompt_tokens},
          {"cached_tokens", stats.cached_tokens},
          {"completion_tokens", stats.completion_tokens},
          {"kv_blocks_total", stats.kv_blocks_total},
          {"kv_blocks_free", stats.kv_blocks_free}};
}

ModelCounts counts_of(const ModelRoster::Entry& entry) {
  ModelCounts counts{entry.offer.name, entry.state == ModelState::kLoaded, entry.offer.bytes, entry.n_loads, {}};
  if (entry.offer.loaded) counts.stats = entry.offer.loaded->engine->stats();
  return counts;
}

HttpResponse metrics_refusal(const AccessOptions& access) {
  if (access.operator_token.empty()) {
    return error_response(403, "metrics are the operator's: r1 serve --operator-token-file lets them be read", "",
                          "operator_only");
  }
  HttpResponse response = error_response(
      401, "metrics are the operator's: Authorization: Bearer <the operator's token>", "", "operator_only");
  response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

}  // namespace

HttpResponse ApiServer::json_response(const OrderedJson& body) {
  HttpResponse response;
  response.headers.push_back({"Cache-Control", "no-store"});
  response.body = body.dump();
  return response;
}

const std::vector<ModelRoster::Entry>& ApiServer::entries() const {
  static const std::vector<ModelRoster::Entry> none;
  return is_loaded_ ? roster_->entries() : none;
}

std::string_view ApiServer::state() const {
  if (server_ != nullptr && server_->stopping()) return "stopping";
  return is_loaded_ ? "ready" : "loading";
}

HttpReply ApiServer::get_models(const Call& call) {
  OrderedJson list = OrderedJson::array();
  for (const ModelRoster::Entry& entry : entries()) {
    if (may_use(call.caller, entry.offer.name)) list.push_back(model_json(entry, started_s_));
  }
  return json_response({{"object", "list"}, {"data", list}});
}

HttpReply ApiServer::get_model(const Call& call) {
  const std::string name = percent_decoded(std::string_view(call.request.path).substr(call.route.size()));
  const std::optional<std::size_t> index = roster_->find(name);
  if (!index || !may_use(call.caller, entries()[*index].offer.name))
    return error_response(404, fmt::format("there is no model '{}' here", name), "", "model_not_found");
  return json_response(model_json(entries()[*index], started_s_));
}

HttpReply ApiServer::get_balance(const Call& call) {
  if (accounts_ != nullptr) return accounts_->balance(call.caller, call.waker);
  return error_response(404, "this server keeps no accounts (r1 serve --ledger)", "", "not_found");
}

// Where anybody may use the models, anybody may know how they do; unless the operator has a token for it.
bool ApiServer::is_open_to(const Call& call) const {
  const bool is_open = access_.operator_token.empty() && (accounts_ == nullptr || !accounts_->requires_keys());
  return is_open || is_operator(call.request, access_);
}

// Whoever asks is told that the process lives.
HttpReply ApiServer::get_health(const Call& call) {
  if (!is_open_to(call)) return json_response({{"status", "ok"}, {"state", state()}});
  OrderedJson models = OrderedJson::array();
  for (const ModelRoster::Entry& entry : entries()) models.push_back(health_json(entry));
  OrderedJson body = {
      {"status", "ok"}, {"state", state()}, {"uptime_s", std::time(nullptr) - started_s_}, {"models", models}};
  if (server_ != nullptr) {
    const HttpServerStats stats = server_->stats();
    body["http"] = {{"connections", stats.n_connections},
                    {"answering", stats.n_answering},
                    {"streaming", stats.n_streaming},
                    {"requests", stats.requests},
                    {"clients_gone", stats.clients_gone}};
  }
  return json_response(body);
}

// For balancers: only a server that takes new requests is ready; /health says ok as long as the process can.
HttpReply ApiServer::get_ready(const Call& /*call*/) {
  HttpResponse response = json_response({{"status", state()}});
  if (state() == "ready") return response;
  response.status = 503;
  response.headers.push_back({"Retry-After", "5"});
  return response;
}

HttpReply ApiServer::get_metrics(const Call& call) {
  if (!is_open_to(call)) return metrics_refusal(access_);
  ServerCounts counts{.started_s = started_s_, .is_ready = state() == "ready", .model_bytes_max = 0, .http = {}};
  if (is_loaded_) counts.model_bytes_max = roster_->bytes_max();
  if (server_ != nullptr) counts.http = server_->stats();
  HttpResponse response;
  response.content_type = std::string(kMetricsContentType);
  response.headers.push_back({"Cache-Control", "no-store"});
  std::vector<ModelCounts> models;
  for (const ModelRoster::Entry& entry : entries()) models.push_back(counts_of(entry));
  response.body = metrics_text(counts, models);
  return response;
}

HttpReply ApiServer::get_openapi(const Call& /*call*/) {
  static const std::string document = [] {
    std::vector<ApiPath> paths;
    for (const Route& route : routes()) paths.push_back({route.method, route.path});
    return openapi_document(paths);
  }();
  HttpResponse response;
  response.headers.push_back({"Cache-Control", "no-cache"});
  response.body = document;
  return response;
}

HttpReply ApiServer::get_page_file(const Call& call) {
  const auto files = page_files();
  const auto file = std::find_if(files.begin(), files.end(), [&](const auto& each) { return each.path == call.route; });
  HttpResponse response;
  response.headers = {{"Cache-Control", "no-cache"},
                      {"ETag", std::string(file->etag)},
                      {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"}};
  if (call.request.header("If-None-Match") == file->etag) {
    response.status = 304;
    return response;
  }
  response.content_type = std::string(file->content_type);
  response.body = std::string(file->content);
  return response;
}

}  // namespace r1
