// api_server.cpp: the table of routes and what each does; a request's walk starts at post_chat.
#include "serve/api_server.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/sha256.h"
#include "serve/answer_reply.h"
#include "serve/answer_wire.h"
#include "serve/form_parameters.h"
#include "serve/generation.h"
#include "serve/metrics.h"
#include "serve/openapi.h"
#include "serve/page.h"
#include "serve/parameters.h"
#include "text/fill_in_middle.h"

namespace r1 {
namespace {

// A completion that names no limit gets OpenAI's; a chat runs to its end.
constexpr int kTextMaxTokens = 16;

// Scripts and styles come from this server only, and no text becomes markup; nothing may frame the page.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

HttpResponse refusal(const ApiError& error) {
  return error_response(error.status, error.message, error.param, error.code);
}

HttpResponse json_response(const OrderedJson& body) {
  HttpResponse response;
  response.headers.push_back({"Cache-Control", "no-store"});
  response.body = body.dump();
  return response;
}

// The same name, the same fingerprint (FNV-1a); clients only compare it.
std::string fingerprint_of(std::string_view name) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return fmt::format("fp_{:010x}", hash & 0xFFFFFFFFFFu);
}

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

// A route's path, or a prefix when it ends in '/' and is not the root.
bool matches(std::string_view route, std::string_view path) {
  if (route.size() > 1 && route.ends_with('/')) return path.size() > route.size() && path.starts_with(route);
  return path == route;
}

std::optional<ApiError> check_against_model(const CompletionRequest& request, const ServedModel& model) {
  const int vocab_size = model.tokenizer->vocab_size();
  for (const LogitBias& bias : request.sampling.logit_bias) {
    if (bias.id >= vocab_size)
      return ApiError{422, fmt::format("'logit_bias' names token {}, the model has {}", bias.id, vocab_size),
                      "logit_bias", "out_of_range"};
  }
  for (const int id : request.prompt_ids) {
    if (id >= vocab_size)
      return ApiError{422, fmt::format("'prompt' has token {}, the model has {}", id, vocab_size), "prompt",
                      "out_of_range"};
  }
  return std::nullopt;
}

// Of a response_format or tools that can't be kept.
ApiError form_error(const Error& error, const CompletionRequest& request) {
  const bool is_schema =
      request.response_format == ResponseFormat::kJsonSchema && error.message.starts_with("'response_format");
  return {400, error.message, is_schema ? "response_format" : "tools",
          error.code == ErrorCode::kUnsupported ? "unsupported" : "invalid_value"};
}

Result<Prompt> text_prompt(const ServedModel& model, const CompletionRequest& request) {
  Prompt prompt;
  if (!request.suffix.empty()) {
    R1_TRY(prompt.ids, fill_in_middle_prompt(*model.tokenizer, request.prompt, request.suffix));
    return prompt;
  }
  prompt.ids = request.prompt_ids;
  if (!prompt.ids.empty()) return prompt;
  if (model.tokenizer->adds_bos()) prompt.ids.push_back(model.tokenizer->bos_id());
  const std::vector<int> ids = model.tokenizer->encode(request.prompt);
  prompt.ids.insert(prompt.ids.end(), ids.begin(), ids.end());
  return prompt;
}

HttpResponse loading() {
  HttpResponse response =
      error_response(503, "the server is still loading; GET /ready says when it is done", "", "loading");
  response.headers.push_back({"Retry-After", "5"});
  return response;
}

// Its key is for all models, or for this one; nobody's may use all as well.
bool may_use(const Caller& caller, const ServedModel& model) {
  return caller.models.empty() ||
         std::find(caller.models.begin(), caller.models.end(), model.name) != caller.models.end();
}

OrderedJson model_json(const ServedModel& model, std::int64_t created_s) {
  return {{"id", model.name},
          {"object", "model"},
          {"created", created_s},
          {"owned_by", "r1.cpp"},
          {"context_length", model.engine->context_length()}};
}

}  // namespace

struct ApiServer::Call {
  const HttpRequest& request;
  const HttpWaker& waker;
  std::string_view route;  // the path in the table that matched
  Caller caller = {};      // nobody, where no key was sent
};

struct ApiServer::Job {
  const ServedModel* model;
  CompletionRequest request;
  Prompt prompt;
  bool is_chat;
  HttpWaker waker;
  std::shared_ptr<TokenMasks> masks = nullptr;  // of a form the answer must have
};

ApiServer::ApiServer(std::vector<ServedModel> models, AccessOptions access, Accounts* accounts)
    : models_(std::move(models)),
      is_loaded_(!models_.empty()),
      access_(std::move(access)),
      accounts_(accounts),
      started_s_(std::time(nullptr)),
      ids_(random_seed(), static_cast<std::uint64_t>(getpid())) {}

void ApiServer::publish(std::vector<ServedModel> models) {
  models_ = std::move(models);
  is_loaded_.store(true);
}

std::span<const ServedModel> ApiServer::served() const {
  return is_loaded_ ? std::span<const ServedModel>(models_) : std::span<const ServedModel>();
}

std::string_view ApiServer::state() const {
  if (server_ != nullptr && server_->stopping()) return "stopping";
  return is_loaded_ ? "ready" : "loading";
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

HttpReply ApiServer::post_chat(const Call& call) {
  CompletionRequest request;
  const auto read = read_request(call, /*is_chat=*/true, request);
  if (const auto* error = std::get_if<ApiError>(&read)) return refusal(*error);
  const ServedModel& model = *std::get<const ServedModel*>(read);
  const bool offers_tools = request.tool_choice != ToolChoice::kNone;
  auto prompt = model.chat_template->render(request.messages, request.thinking,
                                            offers_tools ? std::span(request.tools) : std::span<ToolDefinition>());
  if (!prompt.ok()) return error_response(400, prompt.error().message, "messages", "invalid_value");
  auto masks = grammars_.find(model, request, prompt->answer_start != ReasoningSplitter::Start::kAnswer);
  if (!masks.ok()) return refusal(form_error(masks.error(), request));
  return admit(call, {&model, std::move(request), *std::move(prompt), /*is_chat=*/true, call.waker, *std::move(masks)});
}

HttpReply ApiServer::post_text(const Call& call) {
  CompletionRequest request;
  request.max_tokens = kTextMaxTokens;
  const auto read = read_request(call, /*is_chat=*/false, request);
  if (const auto* error = std::get_if<ApiError>(&read)) return refusal(*error);
  const ServedModel& model = *std::get<const ServedModel*>(read);
  auto prompt = text_prompt(model, request);
  if (!prompt.ok()) return error_response(400, "'suffix': " + prompt.error().message, "suffix", "unsupported");
  return admit(call, {&model, std::move(request), *std::move(prompt), /*is_chat=*/false, call.waker});
}

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

// The model is looked up first: its sampling is what the request's parameters change.
std::variant<const ServedModel*, ApiError> ApiServer::read_request(const Call& call, bool is_chat,
                                                                   CompletionRequest& request) {
  const auto body = parse_json(call.request.body, "the body");
  if (!body.ok()) return ApiError{400, body.error().message, "", "invalid_json"};
  const auto name = json_string(*body, "model", "");
  if (!name.ok()) return ApiError{400, name.error().message, "model", "invalid_type"};
  const ServedModel* model = find_model(*name);
  if (model == nullptr)
    return ApiError{404, fmt::format("there is no model '{}' here; GET /v1/models lists those that are", *name),
                    "model", "model_not_found"};
  request.sampling = model->sampling;
  if (auto error = read_parameters(*body, is_chat ? chat_parameters() : text_parameters(), request)) return *error;
  if (auto error = check_against_model(request, *model)) return *error;
  keep_schema_order(call.request.body, request);
  if (!request.seed) request.seed = static_cast<std::int64_t>(ids_.bits() >> 1);
  return model;
}

// What it may cost at most is reserved before the engine sees it.
HttpReply ApiServer::admit(const Call& call, Job job) {
  const int n_prompt = static_cast<int>(job.prompt.ids.size()), context = job.model->engine->context_length();
  const std::string_view param = job.is_chat ? "messages" : "prompt";
  if (n_prompt == 0) return error_response(400, "the prompt is empty", param, "invalid_value");
  if (n_prompt >= context) {
    return error_response(
        400,
        fmt::format("the prompt is {} tokens long and this model's context holds {}, the answer among "
                    "them",
                    n_prompt, context),
        param, "context_length_exceeded");
  }
  if (call.caller.key_id == 0) return generate(job, nullptr);
  const int room = context - n_prompt, wanted = job.request.max_tokens;
  const std::int64_t n_tokens_max = wanted > 0 ? std::min(wanted, room) : room;
  const ReserveRequest reservation = {.key_id = call.caller.key_id,
                                      .model = job.model->name,
                                      .prompt_tokens = n_prompt,
                                      .completion_tokens_max = n_tokens_max * job.request.n,
                                      .idempotency_key = std::string(call.request.header("Idempotency-Key"))};
  const std::string digest =
      reservation.idempotency_key.empty() ? "" : sha256_hex(std::string(call.route) + "\n" + call.request.body);
  return accounts_->reserve(
      call.caller, reservation, digest, call.waker,
      [this, job = std::move(job)](std::shared_ptr<Meter> meter) { return generate(job, std::move(meter)); });
}

HttpReply ApiServer::generate(const Job& job, std::shared_ptr<Meter> meter) {
  const ServedModel& model = *job.model;
  const CompletionRequest& request = job.request;
  const std::int64_t account_id = meter ? meter->account_id() : 0;
  auto generation = Generation::start(
      model, request, job.prompt, [waker = job.waker] { waker.wake(); }, std::move(meter), job.masks);
  if (!generation.ok()) return engine_failure(generation.error());

  const AnswerHead head{new_uuid(), model.name, fingerprint_of(model.name), std::time(nullptr)};
  std::erase_if(thinking_, [](const auto& entry) { return entry.second.end.expired(); });
  thinking_.emplace(head.id, Thinking{generation->end_thinking(), account_id});
  std::string echoed = request.echo ? model.tokenizer->decode(job.prompt.ids) : "";
  auto wire = job.is_chat ? chat_wire(head, {.thinks = job.prompt.in_thinking(), .logprobs = request.logprobs})
                          : text_wire(head, {.echoed = std::move(echoed), .logprobs = request.logprobs});
  if (request.stream) return std::make_unique<AnswerEvents>(std::move(*generation), std::move(wire), request);
  return std::make_unique<WholeAnswer>(std::move(*generation), std::move(wire), request);
}

HttpReply ApiServer::get_models(const Call& call) {
  OrderedJson list = OrderedJson::array();
  for (const ServedModel& model : served()) {
    if (may_use(call.caller, model)) list.push_back(model_json(model, started_s_));
  }
  return json_response({{"object", "list"}, {"data", list}});
}

HttpReply ApiServer::get_model(const Call& call) {
  const std::string name = percent_decoded(std::string_view(call.request.path).substr(call.route.size()));
  const ServedModel* model = find_model(name);
  if (model == nullptr || !may_use(call.caller, *model))
    return error_response(404, fmt::format("there is no model '{}' here", name), "", "model_not_found");
  return json_response(model_json(*model, started_s_));
}

HttpReply ApiServer::get_balance(const Call& call) {
  if (accounts_ != nullptr) return accounts_->balance(call.caller, call.waker);
  return error_response(404, "this server keeps no accounts (r1 serve --ledger)", "", "not_found");
}

HttpReply ApiServer::get_health(const Call& /*call*/) {
  OrderedJson models = OrderedJson::array();
  for (const ServedModel& model : served()) {
    const EngineStats stats = model.engine->stats();
    models.push_back({{"id", model.name},
                      {"running", stats.n_running},
                      {"waiting", stats.n_waiting},
                      {"prompt_tokens", stats.prompt_tokens},
                      {"cached_tokens", stats.cached_tokens},
                      {"completion_tokens", stats.completion_tokens},
                      {"kv_blocks_total", stats.kv_blocks_total},
                      {"kv_blocks_free", stats.kv_blocks_free}});
  }
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

HttpReply ApiServer::get_metrics(const Call& /*call*/) {
  ServerCounts counts{.started_s = started_s_, .is_ready = state() == "ready"};
  if (server_ != nullptr) counts.http = server_->stats();
  HttpResponse response;
  response.content_type = std::string(kMetricsContentType);
  response.headers.push_back({"Cache-Control", "no-store"});
  response.body = metrics_text(counts, served());
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

const ServedModel* ApiServer::find_model(std::string_view name) const {
  if (name.empty()) return &models_.front();
  const auto model = std::find_if(models_.begin(), models_.end(), [&](const auto& each) { return each.name == name; });
  return model == models_.end() ? nullptr : &*model;
}

// Version 4 (RFC 9562), as DeepSeek's ids are.
std::string ApiServer::new_uuid() {
  const std::uint64_t high = (ids_.bits() & 0xFFFFFFFFFFFF0FFFu) | 0x4000u;
  const std::uint64_t low = (ids_.bits() & 0x3FFFFFFFFFFFFFFFu) | 0x8000000000000000u;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xFFFFu, high & 0xFFFFu, low >> 48,
                     low & 0xFFFFFFFFFFFFu);
}

}  // namespace r1
