// api_completions.cpp: requests for answers, from a body to a generation: the model, the parameters, the prompt, the
// money.
#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "base/sha256.h"
#include "serve/answer_reply.h"
#include "serve/answer_wire.h"
#include "serve/api_server.h"
#include "serve/dialects.h"
#include "serve/form_parameters.h"
#include "serve/generation.h"
#include "serve/model_wait.h"
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

std::span<const Parameter> parameters_of(Dialect dialect) {
  return dialect == Dialect::kText ? text_parameters() : chat_parameters();
}

FailureEvent failure_event_of(Dialect dialect) {
  switch (dialect) {
    case Dialect::kMessages:
      return append_messages_failure;
    case Dialect::kResponses:
      return append_responses_failure;
    case Dialect::kText:
    case Dialect::kChat:
      break;
  }
  return append_failure;
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

// Of a request whose prompt nobody has counted yet. A token is a byte of the prompt or more, and a template adds little
// to a body, so this is a bound from below for any tokenizer and template.
std::int64_t least_completion(const CompletionRequest& request, std::int64_t context, std::int64_t n_body_bytes) {
  constexpr std::int64_t kTemplateTokens = 4096, kTokensPerByte = 4;
  const std::int64_t room = std::max<std::int64_t>(1, context - kTemplateTokens - kTokensPerByte * n_body_bytes);
  const std::int64_t wanted = request.max_tokens > 0 ? std::min<std::int64_t>(request.max_tokens, room) : room;
  return wanted * request.n;
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
  Kept(const Call& call, Dialect its_dialect, std::int64_t& total)
      : request(call.request),
        waker(call.waker),
        route(call.route),
        caller(call.caller),
        asked(call.asked),
        dialect(its_dialect),
        bytes(total) {
    bytes += std::ssize(request.body);
  }
  ~Kept() { bytes -= std::ssize(request.body); }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  Call call() const { return {request, waker, route, caller, asked}; }

  const HttpRequest request;
  const HttpWaker waker;
  const std::string_view route;
  const Caller caller;
  const std::shared_ptr<const OrderedJson> asked;
  const Dialect dialect;
  std::int64_t& bytes;
};

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
  return ask_for_model(call, *index, *body, dialect);
}

// Nothing is loaded for a request that would be refused all the same: for its parameters, or because its key may not
// use the model or can't pay for it.
HttpReply ApiServer::ask_for_model(const Call& call, std::size_t index, const Json& body, Dialect dialect) {
  CompletionRequest request;
  if (dialect == Dialect::kText) request.max_tokens = kTextMaxTokens;
  if (auto error = read_parameters(body, parameters_of(dialect), request)) return refusal(*error);
  if (kept_bytes_ + std::ssize(call.request.body) > kKeptBytesMax)
    return model_refusal({ErrorCode::kOutOfResource, "the requests that wait for models are too large together"});
  const auto kept = std::make_shared<const Kept>(call, dialect, kept_bytes_);
  if (call.caller.key_id == 0) return wait_for_model(kept, index, request.stream);
  const OfferedModel& offer = entries()[index].offer;
  const auto n_bytes = static_cast<std::int64_t>(call.request.body.size());
  return accounts_->foresee(
      call.caller, reservation(call, offer.name, 1, least_completion(request, offer.context_length, n_bytes)),
      digest_of(call), call.waker,
      [this, kept, index, is_stream = request.stream] { return wait_for_model(kept, index, is_stream); });
}

HttpReply ApiServer::wait_for_model(const std::shared_ptr<const Kept>& kept, std::size_t index, bool is_stream) {
  const auto go_on = [this, kept](const ServedModel& model) {
    return answer(kept->call(), *parse_json(kept->request.body, "the body"), model, kept->dialect);
  };
  ModelRequest wait(*roster_, roster_->wait_for(index, kept->waker), go_on);
  return std::make_unique<ModelWait>(std::move(wait), is_stream ? failure_event_of(kept->dialect) : nullptr);
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

ReserveRequest ApiServer::reservation(const Call& call, const std::string& model, std::int64_t n_prompt,
                                      std::int64_t n_completion_max) {
  return {.key_id = call.caller.key_id,
          .model = model,
          .prompt_tokens = n_prompt,
          .completion_tokens_max = n_completion_max,
          .idempotency_key = std::string(call.request.header("Idempotency-Key"))};
}

// Of all that a repeat's answer depends on.
std::string ApiServer::digest_of(const Call& call) {
  if (call.request.header("Idempotency-Key").empty()) return "";
  return sha256_hex(std::string(call.route) + "\n" + call.request.body);
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
  // Made before the job is moved from.
  const ReserveRequest asked = reservation(call, job.model.name, n_prompt, n_tokens_max * job.request.n);
  return accounts_->reserve(
      call.caller, asked, digest_of(call), call.waker,
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
