// api_server.cpp: the table of routes and what each does; a request's walk starts at post_chat.
#include "serve/api_server.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "base/sha256.h"
#include "serve/answer_reply.h"
#include "serve/answer_wire.h"
#include "serve/dialects.h"
#include "serve/form_parameters.h"
#include "serve/generation.h"
#include "serve/model_wait.h"
#include "serve/page.h"
#include "serve/parameters.h"
#include "text/fill_in_middle.h"

namespace r1 {
namespace {

constexpr std::int64_t kKeptBytesMax = 32 << 20;

// A completion that names no limit gets OpenAI's; a chat runs to its end.
constexpr int kTextMaxTokens = 16;

HttpResponse refusal(const ApiError& error) {
  return error_response(error.status, error.message, error.param, error.code);
}

// The same name, the same fingerprint (FNV-1a); clients only compare it.
std::string fingerprint_of(std::string_view name) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return fmt::format("fp_{:010x}", hash & 0xFFFFFFFFFFu);
}

// A route's path, or a prefix when it ends in '/' and is not the root.
bool matches(std::string_view route, std::string_view path) {
  if (route.size() > 1 && route.ends_with('/')) return path.size() > route.size() && path.starts_with(route);
  return path == route;
}

std::span<const Parameter> parameters_of(Dialect dialect) {
  return dialect == Dialect::kText ? text_parameters() : chat_parameters();
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

}  // namespace

struct ApiServer::Job {
  ServedModel model;
  CompletionRequest request;
  Prompt prompt;
  Dialect dialect;
  HttpWaker waker;
  std::shared_ptr<TokenMasks> masks = nullptr;         // of a form the answer must have
  std::shared_ptr<const OrderedJson> asked = nullptr;  // see Call
};

struct ApiServer::Kept {
  Kept(const HttpRequest& kept, std::int64_t& total) : request(kept), bytes(total) {
    bytes += std::ssize(request.body);
  }
  ~Kept() { bytes -= std::ssize(request.body); }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  const HttpRequest request;
  std::int64_t& bytes;
};

ApiServer::ApiServer(const std::vector<ServedModel>& models, AccessOptions access, Accounts* accounts)
    : access_(std::move(access)),
      accounts_(accounts),
      started_s_(std::time(nullptr)),
      ids_(random_seed(), static_cast<std::uint64_t>(getpid())) {
  std::vector<OfferedModel> offers;
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

// From here on the request is the chat's that says the same.
HttpReply ApiServer::complete_translated(const Call& call, Dialect dialect) {
  auto body = parse_ordered_json(call.request.body, "the body");
  if (!body.ok()) return error_response(400, body.error().message, "", "invalid_json");
  const auto asked = std::make_shared<const OrderedJson>(*std::move(body));
  const auto chat = dialect == Dialect::kMessages ? chat_of_messages(*asked) : chat_of_responses(*asked);
  if (const auto* error = std::get_if<ApiError>(&chat)) return refusal(*error);
  HttpRequest request = call.request;
  request.body = std::get<OrderedJson>(chat).dump();
  return complete({request, call.waker, call.route, call.caller, asked}, dialect);
}

// The model comes first: its sampling is what the request's parameters change.
HttpReply ApiServer::complete(const Call& call, Dialect dialect) {
  const auto body = parse_json(call.request.body, "the body");
  if (!body.ok()) return error_response(400, body.error().message, "", "invalid_json");
  const auto name = json_string(*body, "model", "");
  if (!name.ok()) return error_response(400, name.error().message, "model", "invalid_type");
  const std::optional<std::size_t> index = roster_->find(*name);
  if (!index) {
    return error_response(404, fmt::format("there is no model '{}' here; GET /v1/models lists those that are", *name),
                          "model", "model_not_found");
  }
  if (const auto model = roster_->take(*index)) return answer(call, *body, *model, dialect);
  return wait_for_model(call, *index, *body, dialect);
}

// Nothing is loaded for a request that would be refused all the same, or for a key that may not use it.
HttpReply ApiServer::wait_for_model(const Call& call, std::size_t index, const Json& body, Dialect dialect) {
  const std::string& name = entries()[index].offer.name;
  CompletionRequest request;
  if (auto error = read_parameters(body, parameters_of(dialect), request)) return refusal(*error);
  const std::vector<std::string>& allowed = call.caller.models;
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), name) == allowed.end())
    return error_response(403, fmt::format("the key is not for the model '{}'", name), "model", "model_not_allowed");
  if (kept_bytes_ + std::ssize(call.request.body) > kKeptBytesMax)
    return model_refusal({ErrorCode::kOutOfResource, "the requests that wait for models are too large together"});
  const auto go_on = [this, kept = std::make_shared<const Kept>(call.request, kept_bytes_), waker = call.waker,
                      route = call.route, caller = call.caller, asked = call.asked, dialect](const ServedModel& model) {
    return answer({kept->request, waker, route, caller, asked}, *parse_json(kept->request.body, "the body"), model,
                  dialect);
  };
  ModelRequest wait(*roster_, roster_->wait_for(index, call.waker), go_on);
  return std::make_unique<ModelWait>(std::move(wait), request.stream);
}

HttpReply ApiServer::answer(const Call& call, const Json& body, const ServedModel& model, Dialect dialect) {
  CompletionRequest request;
  if (dialect == Dialect::kText) request.max_tokens = kTextMaxTokens;
  request.sampling = model.sampling;
  if (auto error = read_parameters(body, parameters_of(dialect), request)) return refusal(*error);
  if (auto error = check_against_model(request, model)) return refusal(*error);
  keep_schema_order(call.request.body, request);
  if (!request.seed) request.seed = static_cast<std::int64_t>(ids_.bits() >> 1);
  return dialect == Dialect::kText ? answer_text(call, model, std::move(request))
                                   : answer_chat(call, model, std::move(request), dialect);
}

HttpReply ApiServer::answer_chat(const Call& call, const ServedModel& model, CompletionRequest request,
                                 Dialect dialect) {
  const bool offers_tools = request.tool_choice != ToolChoice::kNone;
  auto prompt = model.chat_template->render(request.messages, request.thinking,
                                            offers_tools ? std::span(request.tools) : std::span<ToolDefinition>());
  if (!prompt.ok()) return error_response(400, prompt.error().message, "messages", "invalid_value");
  auto masks = grammars_.find(model, request, prompt->answer_start != ReasoningSplitter::Start::kAnswer);
  if (!masks.ok()) return refusal(form_error(masks.error(), request));
  return admit(call,
               {model, std::move(request), *std::move(prompt), dialect, call.waker, *std::move(masks), call.asked});
}

HttpReply ApiServer::answer_text(const Call& call, const ServedModel& model, CompletionRequest request) {
  auto prompt = text_prompt(model, request);
  if (!prompt.ok()) return error_response(400, "'suffix': " + prompt.error().message, "suffix", "unsupported");
  return admit(call, {model, std::move(request), *std::move(prompt), Dialect::kText, call.waker});
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

// What it may cost at most is reserved before the engine sees it.
HttpReply ApiServer::admit(const Call& call, Job job) {
  const int n_prompt = static_cast<int>(job.prompt.ids.size()), context = job.model.engine->context_length();
  const std::string_view param = job.dialect == Dialect::kText ? "prompt" : "messages";
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
                                      .model = job.model.name,
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
  const ServedModel& model = job.model;
  const CompletionRequest& request = job.request;
  const std::int64_t account_id = meter ? meter->account_id() : 0;
  auto generation = Generation::start(
      model, request, job.prompt, [waker = job.waker] { waker.wake(); }, std::move(meter), job.masks);
  if (!generation.ok()) return engine_failure(generation.error());

  const AnswerHead head{new_uuid(), model.name, fingerprint_of(model.name), std::time(nullptr)};
  std::erase_if(thinking_, [](const auto& entry) { return entry.second.end.expired(); });
  thinking_.emplace(head.id, Thinking{generation->end_thinking(), account_id});
  auto wire = wire_of(job, head);
  if (request.stream) return std::make_unique<AnswerEvents>(std::move(*generation), std::move(wire), request);
  return std::make_unique<WholeAnswer>(std::move(*generation), std::move(wire), request);
}

std::unique_ptr<AnswerWire> ApiServer::wire_of(const Job& job, const AnswerHead& head) {
  const CompletionRequest& request = job.request;
  switch (job.dialect) {
    case Dialect::kText:
      return text_wire(head, {.echoed = request.echo ? job.model.tokenizer->decode(job.prompt.ids) : "",
                              .logprobs = request.logprobs,
                              .scores_prompt = request.scores_prompt()});
    case Dialect::kMessages:
      return messages_wire(head, static_cast<int>(job.prompt.ids.size()));
    case Dialect::kResponses:
      return responses_wire(head, *job.asked);
    case Dialect::kChat:
      break;
  }
  return chat_wire(head, {.thinks = job.prompt.in_thinking(), .logprobs = request.logprobs});
}

// Version 4 (RFC 9562), as DeepSeek's ids are.
std::string ApiServer::new_uuid() {
  const std::uint64_t high = (ids_.bits() & 0xFFFFFFFFFFFF0FFFu) | 0x4000u;
  const std::uint64_t low = (ids_.bits() & 0x3FFFFFFFFFFFFFFFu) | 0x8000000000000000u;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xFFFFu, high & 0xFFFFu, low >> 48,
                     low & 0xFFFFFFFFFFFFu);
}

}  // namespace r1
