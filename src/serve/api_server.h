// api_server.h: the API of DeepSeek and OpenAI, and the chat page: which request goes where. docs/api.md lists all.
// What becomes of requests for answers is in api_completions.cpp, what is told of the server and its models in
// api_status.cpp.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/rng.h"
#include "serve/access.h"
#include "serve/accounts.h"
#include "serve/answer_filter.h"
#include "serve/answer_wire.h"
#include "serve/completion_request.h"
#include "serve/http_message.h"
#include "serve/http_server.h"
#include "serve/model_roster.h"
#include "serve/served_model.h"

namespace r1 {

enum class Dialect { kText, kChat, kMessages, kResponses };  // of a request for an answer

class ApiServer final : public HttpHandler {
 public:
  // Without models it is loading: it says so to whoever asks for one, until publish(). Without accounts, everybody may
  // do everything, and nothing is charged.
  explicit ApiServer(const std::vector<ServedModel>& models, AccessOptions access = {}, Accounts* accounts = nullptr);
  // From any thread, once; at least one model. The first is what requests get that name none.
  void publish(std::vector<OfferedModel> models, RosterOptions options = {});

  HttpReply handle(const HttpRequest& request, const HttpWaker& waker) override;
  void tick() override;
  std::string_view route_of(const HttpRequest& request) const override;
  bool answers_while_stopping(const HttpRequest& request) const override;

  // GET /health tells its counters too; null: not.
  void report_on(const HttpServer* server) { server_ = server; }
  // On the io thread, or when that has ended: whether a model is being loaded, which can't be called off.
  bool is_loading_model() const { return is_loaded_ && roster_->is_loading(); }

 private:
  struct Call {  // a request with what its handling needs
    const HttpRequest& request;
    const HttpWaker& waker;
    std::string_view route;                              // the path in the table that matched
    Caller caller = {};                                  // nobody, where no key was sent
    std::shared_ptr<const OrderedJson> asked = nullptr;  // the body as it was sent, where another is read
  };
  struct Job;   // what a generation is made from
  struct Kept;  // a request that waits for its model
  struct Route {
    std::string_view method;
    std::string path;
    HttpReply (ApiServer::*answer)(const Call& call);
    bool is_api = false;  // needs a key, where keys are required, and models
  };
  static const std::vector<Route>& routes();

  HttpReply dispatch(const HttpRequest& request, const HttpWaker& waker);
  HttpReply answer_caller(const Route& route, const HttpRequest& request, const HttpWaker& waker);
  HttpReply post_chat(const Call& call);
  HttpReply post_text(const Call& call);
  HttpReply post_messages(const Call& call);
  HttpReply post_responses(const Call& call);
  HttpReply post_control(const Call& call);
  HttpReply get_models(const Call& call);
  HttpReply get_model(const Call& call);
  HttpReply get_balance(const Call& call);
  HttpReply get_health(const Call& call);
  HttpReply get_ready(const Call& call);
  HttpReply get_metrics(const Call& call);
  HttpReply get_openapi(const Call& call);
  HttpReply get_page_file(const Call& call);

  std::string_view state() const;           // "ready", "loading", "stopping"
  bool is_open_to(const Call& call) const;  // may the caller know how the server is doing?
  const std::vector<ModelRoster::Entry>& entries() const;
  HttpReply complete(const Call& call, Dialect dialect);
  HttpReply complete_translated(const Call& call, Dialect dialect);
  HttpReply ask_for_model(const Call& call, std::size_t index, const Json& body, Dialect dialect);
  HttpReply wait_for_model(const std::shared_ptr<const Kept>& kept, std::size_t index, bool is_stream);
  HttpReply answer(const Call& call, const Json& body, const ServedModel& model, Dialect dialect);
  HttpReply answer_chat(const Call& call, const ServedModel& model, CompletionRequest request, Dialect dialect);
  HttpReply answer_text(const Call& call, const ServedModel& model, CompletionRequest request);
  static ReserveRequest reservation(const Call& call, const std::string& model, std::int64_t n_prompt,
                                    std::int64_t n_completion_max);
  static std::string digest_of(const Call& call);
  HttpReply admit(const Call& call, Job job);
  HttpReply generate(const Job& job, std::shared_ptr<Meter> meter);
  static std::unique_ptr<AnswerWire> wire_of(const Job& job, const AnswerHead& head);
  std::string new_uuid();
  static HttpResponse json_response(const OrderedJson& body);

  AnswerGrammars grammars_;              // the roster tells it what it unloads
  std::unique_ptr<ModelRoster> roster_;  // not looked at before is_loaded_
  std::int64_t kept_bytes_ = 0;          // of the bodies of requests that wait for a model
  std::atomic<bool> is_loaded_ = false;
  const AccessOptions access_;
  Accounts* const accounts_;  // null: none are kept
  const HttpServer* server_ = nullptr;
  const std::int64_t started_s_;
  // By the id of the answer: its Generation's end_thinking(). Those that are over are dropped as new ones come.
  struct Thinking {
    std::weak_ptr<std::atomic<bool>> end;
    std::int64_t account_id;  // whose answer it is
  };
  std::map<std::string, Thinking, std::less<>> thinking_;
  Rng ids_;  // of answers, and seeds for those who name none
};

}  // namespace r1
