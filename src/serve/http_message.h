// http_message.h: what a request and an answer are to the rest of serve/, without the library that moves their bytes.
//
// An answer is one of four: a response that is ready; one that needs time (HttpDeferred); a stream of events that
// grows as the model writes (HttpStream); one of which not even that is known yet (HttpPending). The latter three live
// on the io thread. Their advance() is called whenever they were woken and the client has taken what it was sent
// before, so a slow client holds up only itself. They are destroyed as soon as they are complete or their client has
// gone: what they own (a TokenStream) ends with them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace r1 {

struct HttpHeader {
  std::string name, value;
};

struct HttpRequest {
  std::string method;   // "GET"
  std::string path;     // "/v1/models": the target up to '?', as sent
  std::string query;    // what follows the '?'
  std::string version;  // "1.1"
  std::vector<HttpHeader> headers;
  std::string body;
  std::string id;  // the client's X-Request-Id if it is a sane one, else made; in the reply's header, errors and logs

  std::string_view header(std::string_view name) const;  // the first of that name in any case; "" when absent
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<HttpHeader> headers;  // beyond Content-Type, Content-Length, Connection and Date
  std::string body;
};

class HttpDeferred {
 public:
  virtual ~HttpDeferred() = default;
  virtual std::optional<HttpResponse> advance() = 0;  // empty: not yet, wake me
  virtual HttpResponse interrupt();                   // the last word of an answer that the stopping server cuts short
  std::vector<HttpHeader> headers;                    // beyond what every answer has
};

class HttpStream {
 public:
  virtual ~HttpStream() = default;
  enum class Progress {
    kMore,     // there is more already: call again once `out` is on its way
    kWaiting,  // nothing now: call again after a wake
    kDone,     // `out` holds the end
  };
  // Appends whole events. Should stop at some kilobytes and say kMore, so that memory stays bounded.
  virtual Progress advance(std::string& out) = 0;
  // Appends the last words of a stream that the stopping server cuts short.
  virtual void interrupt(std::string& out) = 0;
  std::vector<HttpHeader> headers;
};

class HttpPending;
using HttpReply = std::variant<HttpResponse, std::unique_ptr<HttpDeferred>, std::unique_ptr<HttpStream>,
                               std::unique_ptr<HttpPending>>;

// Somebody else is asked first (the ledger, for milliseconds; whoever loads a model): nothing is sent meanwhile, as it
// may become a refusal.
class HttpPending {
 public:
  virtual ~HttpPending() = default;
  virtual std::optional<HttpReply> advance() = 0;  // empty: not yet, wake me
  // After a silence: what it goes on as, so that the client can be sent signs of life. Empty: it stays silent.
  virtual std::optional<HttpReply> show_life() { return std::nullopt; }
  std::vector<HttpHeader> headers;  // for the answer that it becomes
};

void append_headers(HttpReply& reply, const std::vector<HttpHeader>& headers);

// Says, from any thread and at any time, that an answer can go on. Cheap when said often; harmless when the client has
// long gone.
class HttpWaker {
 public:
  class Target;                                                                       // http_connection.cpp's
  explicit HttpWaker(std::shared_ptr<Target> target) : target_(std::move(target)) {}  // null: wakes nobody
  void wake() const;

 private:
  std::shared_ptr<Target> target_;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // On the io thread; must not block.
  virtual HttpReply handle(const HttpRequest& request, const HttpWaker& waker) = 0;
  // On the io thread, some times a second: for what is to be done without a request.
  virtual void tick() {}
  // The path as the log may show it: a route, not what a client made up. "": none of ours.
  virtual std::string_view route_of(const HttpRequest& /*request*/) const { return {}; }
  // What is still handled while the server stops; everything else gets a 503 then.
  virtual bool answers_while_stopping(const HttpRequest& /*request*/) const { return false; }
};

// The error body that OpenAI's and DeepSeek's clients read. `param` and `code` may be "": null.
HttpResponse error_response(int status, std::string_view message, std::string_view param = "",
                            std::string_view code = "");
std::string error_body(int status, std::string_view message, std::string_view param = "", std::string_view code = "");
HttpResponse retry_after(HttpResponse response, int seconds);
HttpResponse stopping_response();  // to whoever comes too late, or stays too long, for a server that stops

// The same with the id of its request beside the error, for whoever asks the operator about it.
std::string with_request_id(std::string error_json, std::string_view id);
// An id that is safe wherever it is repeated: 1 to 128 letters, digits, '-', '_', '.'.
bool is_sane_request_id(std::string_view id);

std::string_view http_reason(int status);  // "Not Found"
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace r1
