// api_server.cpp: the table of routes, and a request's way to its own; those for answers go on in api_completions.cpp.
#include "serve/api_server.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/dialects.h"
#include "serve/page.h"

namespace r1 {
namespace {

// A route's path, or a prefix when it ends in '/' and is not the root.
bool matches(std::string_view route, std::string_view path) {
  if (route.size() > 1 && route.ends_with('/')) return path.size() > route.size() && path.starts_with(route);
  return path == route;
}

HttpResponse loading() {
  return retry_after(error_response(503, "the server is still loading; GET /ready says when it is done", "", "loading"),
                     5);
}

}  // namespace

ApiServer::ApiServer(const std::vector<ServedModel>& models, AccessOptions access, Accounts* accounts)
    : access_(std::move(access)),
      accounts_(accounts),
      started_s_(std::time(nullptr)),
      ids_(random_seed(), static_cast<std::uint64_t>(getpid())) {
  std::vector<OfferedModel> offers;
  offers.reserve(models.size());
  for (const ServedModel& model : models) {
    offers.push_back({.name = model.name,
                      .context_length = model.engine->context_length(),
                      .bytes = 0,
                      .load = nullptr,
                      .loaded = model});
  }
  if (!offers.empty()) publish(std::move(offers));
}

void ApiServer::publish(std::vector<OfferedModel> models, RosterOptions options) {
  options.on_unload = [this](const ServedModel& model) { grammars_.forget(model); };
  roster_ = std::make_unique<ModelRoster>(std::move(models), std::move(options));
  is_loaded_.store(true);
}

void ApiServer::tick() {
  if (is_loaded_) roster_->advance();
}

std::string_view ApiServer::route_of(const HttpRequest& request) const {
  for (const Route& route : routes())
    if (matches(route.path, request.path)) return route.path;
  return {};
}

// What tells of the server, and the end of a thought: it makes the stop quicker.
bool ApiServer::answers_while_stopping(const HttpRequest& request) const {
  return request.path == "/ready" || request.path == "/health" || request.path == "/metrics" ||
         request.path.ends_with("/chat/completions/control");
}

// The API's own paths are there bare, as DeepSeek's documents have them, under OpenAI's /v1, and under DeepSeek's
// /beta.
const std::vector<ApiServer::Route>& ApiServer::routes() {
  static const std::vector<Route> all = [] {
    const std::vector<Route> api = {
        {"POST", "/chat/completions", &ApiServer::post_chat},
        {"POST", "/chat/completions/control", &ApiServer::post_control},
        {"POST", "/completions", &ApiServer::post_text},
        {"POST", "/messages", &ApiServer::post_messages},
        {"POST", "/responses", &ApiServer::post_responses},
        {"GET", "/models", &ApiServer::get_models},
        {"GET", "/models/", &ApiServer::get_model},
        {"GET", "/user/balance", &ApiServer::get_balance},
    };
    std::vector<Route> table = {{"GET", "/health", &ApiServer::get_health},
                                {"GET", "/ready", &ApiServer::get_ready},
                                {"GET", "/metrics", &ApiServer::get_metrics},
                                {"GET", "/openapi.json", &ApiServer::get_openapi}};
    for (const std::string prefix : {"", "/v1", "/beta"})
      for (const Route& route : api)
        table.push_back({route.method, prefix + route.path, route.answer, /*is_api=*/true});
    for (const PageFile& file : page_files())
      table.push_back({"GET", std::string(file.path), &ApiServer::get_page_file});
    return table;
  }();
  return all;
}

HttpReply ApiServer::handle(const HttpRequest& request, const HttpWaker& waker) {
  if (auto refused = check_access(request, access_)) return *std::move(refused);
  HttpReply reply = dispatch(request, waker);
  if (request.path.ends_with("/messages")) reply = with_messages_errors(std::move(reply));
  append_headers(reply, cors_headers(request, access_));
  return reply;
}

HttpReply ApiServer::dispatch(const HttpRequest& request, const HttpWaker& waker) {
  std::string allowed;
  for (const Route& route : routes()) {
    if (!matches(route.path, request.path)) continue;
    const bool is_get = route.method == "GET";
    if (request.method == route.method || (is_get && request.method == "HEAD"))
      return answer_caller(route, request, waker);
    allowed += fmt::format("{}{}", is_get ? "GET, HEAD" : route.method, ", OPTIONS");
  }
  if (allowed.empty()) return error_response(404, fmt::format("there is no {} here", request.path), "", "not_found");
  HttpResponse response =
      request.method == "OPTIONS"
          ? HttpResponse{204, "", {}, ""}
          : error_response(405, fmt::format("{} takes {}", request.path, allowed), "", "method_not_allowed");
  response.headers.push_back({"Allow", allowed});
  return response;
}

// Whose key it is comes first: who has none learns nothing of what is served, and costs no work.
HttpReply ApiServer::answer_caller(const Route& route, const HttpRequest& request, const HttpWaker& waker) {
  if (route.is_api && !is_loaded_) return loading();
  if (accounts_ == nullptr || !route.is_api) return (this->*route.answer)({request, waker, route.path});
  const auto kept = std::make_shared<const HttpRequest>(request);
  return accounts_->authenticate(request, waker, [this, &route, kept, waker](const Caller& caller) {
    return (this->*route.answer)({*kept, waker, route.path, caller});
  });
}

HttpReply ApiServer::post_chat(const Call& call) { return complete(call, Dialect::kChat); }
HttpReply ApiServer::post_text(const Call& call) { return complete(call, Dialect::kText); }
HttpReply ApiServer::post_messages(const Call& call) { return complete_translated(call, Dialect::kMessages); }
HttpReply ApiServer::post_responses(const Call& call) { return complete_translated(call, Dialect::kResponses); }

// What can be asked of an answer that is being written: so far, to end its thought.
HttpReply ApiServer::post_control(const Call& call) {
  const auto body = parse_json(call.request.body, "the body");
  if (!body.ok()) return error_response(400, body.error().message, "", "invalid_json");
  if (!body->is_object()) return error_response(400, "the body must be a JSON object", "", "invalid_type");
  const auto id = json_string(*body, "id", ""), action = json_string(*body, "action", "");
  if (!id.ok()) return error_response(400, id.error().message, "id", "invalid_type");
  if (!action.ok()) return error_response(400, action.error().message, "action", "invalid_type");
  if (*action != "end_thinking")
    return error_response(422, "'action' must be \"end_thinking\"", "action", "invalid_value");
  const auto found = thinking_.find(*id);
  const bool is_callers = found != thinking_.end() && found->second.account_id == call.caller.account_id;
  const auto end_thinking = is_callers ? found->second.end.lock() : nullptr;
  if (!end_thinking)
    return error_response(404, fmt::format("no answer with id '{:.64}' is being written", *id), "id", "not_found");
  end_thinking->store(true);
  return json_response({{"id", *id}, {"action", *action}});
}

}  // namespace r1
