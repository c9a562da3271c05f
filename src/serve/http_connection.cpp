// http_connection.cpp: reading a request, and the three ways of answering.
//
// A client that shuts down its sending side counts as gone while an answer is being made: browsers and HTTP clients do
// so only when they hang up, and nothing else tells that nobody reads any more.
#include "serve/http_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <exception>
#include <typeinfo>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/clock.h"
#include "base/log.h"

// GCC 12 takes the two sides of Asio's coroutine frame allocation for a mismatch when it inlines only one of them.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace r1 {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using boost::system::error_code;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);  // errors as values, not as exceptions
constexpr std::size_t kPipelinedBytesMax = 64 << 10;
constexpr std::size_t kIdleBufferBytes = 256;  // a stream that waits holds no more than this
constexpr int kInterruptedMs = 1'000;          // for whatever a connection still does when the server stops now
constexpr int kLingerMs = 2'000;

using Time = std::chrono::steady_clock::time_point;
Time after_ms(int ms) { return std::chrono::steady_clock::now() + std::chrono::milliseconds(ms); }

using Parser = http::request_parser<http::string_body>;

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  const std::size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text, length};
}

// "/v1/models?x" of "GET http://host/v1/models?x" and of "GET /v1/models?x".
std::string_view origin_form(std::string_view target) {
  const std::size_t scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return target;
  const std::size_t path = target.find('/', scheme + 3);
  return path == std::string_view::npos ? "/" : target.substr(path);
}

HttpRequest to_request(Parser& parser) {
  auto& message = parser.get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string_view target = origin_form({message.target().data(), message.target().size()});
  const std::size_t question = target.find('?');
  request.path = std::string(target.substr(0, question));
  if (question != std::string_view::npos) request.query = std::string(target.substr(question + 1));
  request.version = fmt::format("{}.{}", message.version() / 10, message.version() % 10);
  for (const auto& field : message)
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  request.body = std::move(message.body());
  return request;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value) out += c == '\r' || c == '\n' ? ' ' : c;  // no value can start a line of its own
  out += "\r\n";
}

bool has_body(int status) { return status != 204 && status != 304; }

std::string head_of(int status, std::string_view content_type, std::string_view request_id) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, http_reason(status));
  append_header(head, "Date", http_date());
  append_header(head, "Server", "r1");
  append_header(head, "X-Request-Id", request_id);
  append_header(head, "X-Content-Type-Options", "nosniff");
  if (has_body(status)) append_header(head, "Content-Type", content_type);
  return head;
}

// Anything else a client may have made up.
std::string_view loggable_method(std::string_view method) {
  for (const std::string_view known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
    if (method == known) return known;
  return "other";
}

// The bytes are at fault, not the line: the parser's own errors, but for those that say the client had gone.
bool is_malformed(const error_code& failed) {
  return failed && failed.category() == http::make_error_code(http::error::bad_method).category() &&
         failed != http::error::end_of_stream && failed != http::error::partial_message;
}

// A piece of a body begins with room for the length that chunked coding puts before it.
constexpr std::size_t kChunkHeadBytes = 10;
void begin_piece(std::string& piece) { piece.assign(kChunkHeadBytes, ' '); }
bool is_empty(const std::string& piece) { return piece.size() <= kChunkHeadBytes; }

// Adds one for the time it lives.
struct Counted {
  explicit Counted(std::atomic<int>& count) : counter(count) { ++counter; }
  ~Counted() { --counter; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  std::atomic<int>& counter;
};

struct ReservedBytes {
  explicit ReservedBytes(std::int64_t& total) : reserved_in(total) {}
  ~ReservedBytes() { reserved_in -= bytes; }
  ReservedBytes(const ReservedBytes&) = delete;
  ReservedBytes& operator=(const ReservedBytes&) = delete;
  void reserve(std::int64_t more) {
    bytes += more;
    reserved_in += more;
  }
  std::int64_t& reserved_in;
  std::int64_t bytes = 0;
};

}  // namespace

class HttpWaker::Target {
 public:
  explicit Target(const std::shared_ptr<asio::io_context>& loop) : io(loop) {}
  std::weak_ptr<asio::io_context> io;  // weak: an engine may hold wakers of a server that is no more
  std::atomic<bool> posted = false;
  HttpConnection* connection = nullptr;  // io thread only; null once it is closed
};

void HttpWaker::wake() const {
  if (!target_ || target_->posted.exchange(true)) return;
  const auto io = target_->io.lock();
  if (!io) return;
  asio::post(*io, [weak = std::weak_ptr<Target>(target_)] {
    const auto target = weak.lock();
    if (!target) return;
    target->posted = false;  // before the answer looks: what comes from here on wakes it again
    if (target->connection != nullptr) target->connection->on_wake();
  });
}

struct HttpConnection::Incoming {
  explicit Incoming(std::int64_t& bodies_bytes) : reserved(bodies_bytes) {}
  HttpRequest request;
  ReservedBytes reserved;
  bool keep_alive = false;
  bool is_head = false;
  bool can_chunk = true;  // HTTP/1.0 knows no chunks: the end of the connection ends the body
};

HttpConnection::HttpConnection(asio::ip::tcp::socket socket, HttpConnections& all)
    : socket_(std::move(socket)),
      all_(all),
      wake_timer_(*all.io),
      deadline_(*all.io),
      target_(std::make_shared<HttpWaker::Target>(all.io)) {
  target_->connection = this;
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  ++all_.n_connections;
}

HttpConnection::~HttpConnection() {
  target_->connection = nullptr;
  --all_.n_connections;
}

awaitable<void> HttpConnection::run(std::shared_ptr<HttpConnection> self) {
  HttpConnections& all = self->all_;
  all.live.insert(self.get());
  while (co_await self->serve_one()) self->first_request_ = false;
  all.live.erase(self.get());
  if (all.n_answering == 0) all.drain_timer.cancel();
  self->end_watch();
  self->end_deadline();
  error_code ignored;
  self->socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  self->socket_.close(ignored);
}

awaitable<bool> HttpConnection::serve_one() {
  if (!co_await wait_for_request()) co_return false;
  Incoming incoming(all_.bodies_bytes);
  request_id_ = fmt::format("req-{:016x}{:016x}", all_.request_ids.bits(), all_.request_ids.bits());
  status_ = 0;
  received_at_ns_ = monotonic_ns();
  if (!co_await receive(incoming)) co_return false;
  ++all_.requests;
  const Counted answering(all_.n_answering);
  const std::string_view method = loggable_method(incoming.request.method);
  const std::string_view route = all_.handler.route_of(incoming.request);
  HttpReply reply = co_await decide(handle(incoming.request), route);
  if (gone_) {
    ++all_.clients_gone;
    log_answer(method, route);
    co_return false;
  }
  // What the handler wanted to keep it has kept; a stream that lives for minutes shall not hold its request.
  incoming.request = HttpRequest{};
  incoming.reserved.reserve(-incoming.reserved.bytes);
  if (buffer_.size() == 0) buffer_ = {};
  const bool keep_alive = co_await answer(std::move(reply), incoming);
  log_answer(method, route);
  co_return keep_alive;
}

// Nothing here comes from the client but an id of harmless letters.
void HttpConnection::log_answer(std::string_view method, std::string_view route) const {
  if (!all_.options.logs_requests) return;
  log_info("answered", {{"request_id", std::string_view(request_id_)},
                        {"method", method},
                        {"path", route.empty() ? std::string_view("unknown") : route},
                        {"status", std::int64_t{status_}},
                        {"duration_ms", (monotonic_ns() - received_at_ns_) / 1'000'000},
                        {"client_gone", gone_}});
}

// Waits for the first byte of a request.
awaitable<bool> HttpConnection::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  if (all_.draining && !first_request_) co_return false;
  between_requests_ = true;
  start_deadline(first_request_ ? all_.options.header_timeout_ms : all_.options.idle_timeout_ms);
  const auto [failed] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kAwait);
  end_deadline();
  between_requests_ = false;
  co_return !failed && !interrupted_;
}

// False when there is no request to answer: none came, or it was refused, or its client had gone.
awaitable<bool> HttpConnection::receive(Incoming& incoming) {
  const HttpServerOptions& options = all_.options;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options.header_bytes_max));
  parser.body_limit(static_cast<std::uint64_t>(options.body_bytes_max));
  start_deadline(options.header_timeout_ms);
  const auto [header_error, header_bytes] = co_await http::async_read_header(socket_, buffer_, parser, kAwait);
  end_deadline();
  if (timed_out_) co_return co_await refuse(408, "the header of the request took too long");
  if (header_error == http::error::header_limit)
    co_return co_await refuse(431, fmt::format("the header is larger than {} bytes", options.header_bytes_max));
  if (header_error == http::error::body_limit)
    co_return co_await refuse(413, fmt::format("the body is larger than {} bytes", options.body_bytes_max));
  if (is_malformed(header_error))
    co_return co_await refuse(400, fmt::format("not an HTTP request: {}", header_error.message()));
  if (header_error) co_return false;

  const auto encoding = parser.get()[http::field::content_encoding];
  if (!encoding.empty() && encoding != "identity")
    co_return co_await refuse(415, "compressed bodies are not read; send the body without Content-Encoding");
  if (parser.chunked() || parser.content_length().value_or(0) > 0) {
    incoming.reserved.reserve(static_cast<std::int64_t>(
        parser.content_length().value_or(static_cast<std::uint64_t>(options.body_bytes_max))));
    if (all_.bodies_bytes > options.bodies_bytes_max)
      co_return co_await refuse(503, "too many requests are being received; try again in a moment");
    if (equal_ignoring_case(std::string_view(parser.get()[http::field::expect]), "100-continue") &&
        !co_await write("HTTP/1.1 100 Continue\r\n\r\n"))
      co_return false;
    start_deadline(options.body_timeout_ms);
    const auto [body_error, body_bytes] = co_await http::async_read(socket_, buffer_, parser, kAwait);
    end_deadline();
    if (timed_out_) co_return co_await refuse(408, "the body of the request took too long");
    if (body_error == http::error::body_limit)
      co_return co_await refuse(413, fmt::format("the body is larger than {} bytes", options.body_bytes_max));
    if (is_malformed(body_error))
      co_return co_await refuse(400, fmt::format("not an HTTP body: {}", body_error.message()));
    if (body_error) co_return false;
  }
  incoming.can_chunk = parser.get().version() >= 11;
  incoming.keep_alive = parser.get().keep_alive() && incoming.can_chunk;
  incoming.request = to_request(parser);
  incoming.is_head = incoming.request.method == "HEAD";
  if (const std::string_view id = incoming.request.header("X-Request-Id"); is_sane_request_id(id)) request_id_ = id;
  incoming.request.id = request_id_;
  co_return !interrupted_;
}

// Answers what could not be read to its end; nothing after it on this connection can be trusted.
awaitable<bool> HttpConnection::refuse(int status, std::string_view message) {
  const Incoming unread(all_.bodies_bytes);
  const HttpResponse response = error_response(status, message);
  co_await send_response(response, unread);
  log_answer("unread", "");
  co_await linger();
  co_return false;
}

HttpReply HttpConnection::handle(const HttpRequest& request) const {
  if (all_.draining && !all_.handler.answers_while_stopping(request)) {
    HttpResponse stopping = error_response(503, "the server is stopping");
    stopping.headers.push_back({"Retry-After", "5"});
    return stopping;
  }
  try {
    return all_.handler.handle(request, HttpWaker(target_));
  } catch (const std::exception& problem) {
    return failed_reply(all_.handler.route_of(request), problem);
  }
}

std::optional<HttpReply> HttpConnection::advance(HttpPending& pending, std::string_view route) const {
  try {
    return pending.advance();
  } catch (const std::exception& problem) {
    return failed_reply(route, problem);
  }
}

// The log is not told what the exception says: that may quote the request.
HttpResponse HttpConnection::failed_reply(std::string_view route, const std::exception& problem) const {
  log_error("the request could not be handled", {{"request_id", std::string_view(request_id_)},
                                                 {"path", route},
                                                 {"exception", std::string_view(typeid(problem).name())}});
  return error_response(500, "the request could not be handled");
}

// Until it is known what the answer is. One pending answer may become another.
awaitable<HttpReply> HttpConnection::decide(HttpReply reply, std::string_view route) {
  if (!std::holds_alternative<std::unique_ptr<HttpPending>>(reply)) co_return reply;
  start_watch();
  while (std::holds_alternative<std::unique_ptr<HttpPending>>(reply) && !gone_) {
    HttpPending& pending = *std::get<std::unique_ptr<HttpPending>>(reply);
    std::optional<HttpReply> next = advance(pending, route);
    if (!next && interrupted_) next = error_response(503, "the server is stopping");
    if (!next && !co_await wait_until(after_ms(all_.options.keep_alive_ms))) next = pending.show_life();
    if (next) {
      append_headers(*next, pending.headers);
      reply = *std::move(next);
    }
  }
  end_watch();
  co_return reply;
}

awaitable<bool> HttpConnection::answer(HttpReply reply, const Incoming& incoming) {
  if (const auto* response = std::get_if<HttpResponse>(&reply)) co_return co_await send_response(*response, incoming);
  start_watch();
  bool keep_alive = false;
  if (auto* deferred = std::get_if<std::unique_ptr<HttpDeferred>>(&reply))
    keep_alive = co_await send_deferred(std::move(*deferred), incoming);
  else
    keep_alive = co_await send_stream(std::get<std::unique_ptr<HttpStream>>(std::move(reply)), incoming);
  end_watch();
  if (gone_) ++all_.clients_gone;
  co_return keep_alive && !gone_;
}

bool HttpConnection::keeps_alive(const Incoming& incoming) const {
  return incoming.keep_alive && !all_.draining && !interrupted_;
}

void HttpConnection::begin_head(int status) {
  status_ = status;
  ++all_.responses[static_cast<std::size_t>(status)];
}

awaitable<bool> HttpConnection::send_response(const HttpResponse& response, const Incoming& incoming) {
  const bool keep_alive = keeps_alive(incoming);
  begin_head(response.status);
  const bool is_error = response.status >= 400 && response.content_type == "application/json";
  const std::string body = is_error ? with_request_id(response.body, request_id_) : std::string();
  const std::string_view sent = is_error ? body : response.body;
  std::string out = head_of(response.status, response.content_type, request_id_);
  for (const HttpHeader& header : response.headers) append_header(out, header.name, header.value);
  if (has_body(response.status)) append_header(out, "Content-Length", std::to_string(sent.size()));
  append_header(out, "Connection", keep_alive ? "keep-alive" : "close");
  out += "\r\n";
  if (!incoming.is_head && has_body(response.status)) out += sent;
  const bool delivered = co_await write(out);
  co_return (delivered && keep_alive);
}

// Clients give up on a silent connection (undici after 300 s without a header), and a long answer on a slow machine
// takes longer. So after a silence the header goes out and blank lines follow, which JSON allows, as DeepSeek does.
// From then on the status is 200; should the answer fail after all, the connection breaks, which no client takes for
// success.
awaitable<bool> HttpConnection::send_deferred(std::unique_ptr<HttpDeferred> deferred, const Incoming& incoming) {
  const std::vector<HttpHeader> headers = std::move(deferred->headers);
  std::optional<HttpResponse> response;
  std::string piece;
  bool head_sent = false;
  Time keep_alive_at = after_ms(all_.options.keep_alive_ms);
  while (!(response = deferred->advance())) {
    if (interrupted_) response = deferred->interrupt();
    if (response) break;
    const bool woken = co_await wait_until(keep_alive_at);
    if (gone_) co_return false;
    if (woken) continue;
    if (!std::exchange(head_sent, true)) {
      begin_head(200);
      if (!co_await write(body_head("application/json", headers, incoming))) co_return false;
    }
    begin_piece(piece);
    piece += '\n';
    if (!co_await write_piece(piece, Piece::kMiddle, incoming)) co_return false;
    keep_alive_at = after_ms(all_.options.keep_alive_ms);
  }
  deferred.reset();
  response->headers.insert(response->headers.end(), headers.begin(), headers.end());
  if (!head_sent) co_return co_await send_response(*response, incoming);
  if (response->status != 200) co_return false;
  begin_piece(piece);
  piece += response->body;
  const bool delivered = co_await write_piece(piece, Piece::kLast, incoming);
  co_return (delivered && keeps_alive(incoming));
}

awaitable<bool> HttpConnection::send_stream(std::unique_ptr<HttpStream> stream, const Incoming& incoming) {
  using Progress = HttpStream::Progress;
  const Counted streaming(all_.n_streaming);
  begin_head(200);
  if (!co_await write(body_head("text/event-stream; charset=utf-8", stream->headers, incoming))) co_return false;
  std::string piece;
  Time keep_alive_at = after_ms(all_.options.keep_alive_ms);
  for (Progress progress = Progress::kMore; progress != Progress::kDone;) {
    begin_piece(piece);
    progress = stream->advance(piece);
    if (interrupted_ && progress != Progress::kDone) {
      stream->interrupt(piece);
      progress = Progress::kDone;
    }
    if (progress == Progress::kDone) stream.reset();
    const bool is_last = progress == Progress::kDone;
    if (!is_empty(piece) || is_last) {
      if (!co_await write_piece(piece, is_last ? Piece::kLast : Piece::kMiddle, incoming)) co_return false;
      keep_alive_at = after_ms(all_.options.keep_alive_ms);
    }
    if (progress == Progress::kMore) co_await asio::post(*all_.io, asio::use_awaitable);  // the others' turn
    if (progress != Progress::kWaiting) continue;
    if (piece.capacity() > kIdleBufferBytes) piece = std::string();
    const bool woken = co_await wait_until(keep_alive_at);
    if (gone_) co_return false;
    if (woken) continue;
    begin_piece(piece);
    piece += ": keep-alive\n\n";
    if (!co_await write_piece(piece, Piece::kMiddle, incoming)) co_return false;
    keep_alive_at = after_ms(all_.options.keep_alive_ms);
  }
  co_return keeps_alive(incoming);
}

// The header of a body whose length is not known yet.
std::string HttpConnection::body_head(std::string_view content_type, const std::vector<HttpHeader>& headers,
                                      const Incoming& incoming) const {
  std::string head = head_of(200, content_type, request_id_);
  for (const HttpHeader& header : headers) append_header(head, header.name, header.value);
  append_header(head, "Cache-Control", "no-cache, no-transform");
  append_header(head, "X-Accel-Buffering", "no");  // nginx would hold events back
  if (incoming.can_chunk) append_header(head, "Transfer-Encoding", "chunked");
  append_header(head, "Connection", keeps_alive(incoming) && incoming.can_chunk ? "keep-alive" : "close");
  return head + "\r\n";
}

awaitable<bool> HttpConnection::write_piece(std::string& piece, Piece which, const Incoming& incoming) {
  if (!incoming.can_chunk) co_return co_await write(std::string_view(piece).substr(kChunkHeadBytes));
  std::string_view bytes = piece;
  if (is_empty(piece)) {
    piece.clear();
  } else {
    fmt::format_to_n(piece.data(), kChunkHeadBytes, "{:08x}\r\n", piece.size() - kChunkHeadBytes);
    piece += "\r\n";
  }
  if (which == Piece::kLast) piece += "0\r\n\r\n";
  bytes = piece;
  co_return co_await write(bytes);
}

// Most writes fit into the socket's buffer at once: those need no timer and no turn of the loop.
awaitable<bool> HttpConnection::write(std::string_view bytes) {
  error_code failed;
  std::size_t n_sent = socket_.write_some(asio::buffer(bytes), failed);
  if (failed == asio::error::would_block) {
    n_sent = 0;
    failed = {};
  }
  if (!failed && n_sent < bytes.size()) {
    start_deadline(all_.options.write_timeout_ms);
    const auto [error, n_rest] = co_await asio::async_write(socket_, asio::buffer(bytes.substr(n_sent)), kAwait);
    end_deadline();
    failed = error;
  }
  if (failed) gone_ = true;
  co_return !gone_;
}

// False when the time has come; true after a wake, and when the client has gone or the server stops.
awaitable<bool> HttpConnection::wait_until(Time time) {
  if (!woken_ && !gone_ && !interrupted_) {
    wake_timer_.expires_at(time);
    co_await wake_timer_.async_wait(kAwait);
  }
  const bool woken = woken_ || gone_ || interrupted_;
  woken_ = false;
  if (!woken && peer_has_hung_up()) client_gone();
  co_return woken || gone_;
}

awaitable<void> HttpConnection::linger() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  char unread[4096];
  start_deadline(kLingerMs);
  for (bool open = true; open && !timed_out_;) {
    const auto [failed, n_bytes] = co_await socket_.async_read_some(asio::buffer(unread), kAwait);
    open = !failed;
  }
  end_deadline();
}

void HttpConnection::on_wake() {
  woken_ = true;
  wake_timer_.cancel();
}

void HttpConnection::close_if_idle() {
  if (between_requests_) socket_.cancel();
}

void HttpConnection::interrupt() {
  interrupted_ = true;
  wake_timer_.cancel();
  if (between_requests_)
    socket_.cancel();
  else
    start_deadline(kInterruptedMs);
}

void HttpConnection::start_deadline(int timeout_ms) {
  timed_out_ = false;
  if (interrupted_) timeout_ms = std::min(timeout_ms, kInterruptedMs);
  deadline_.expires_after(std::chrono::milliseconds(timeout_ms));
  deadline_.async_wait([this, self = shared_from_this(), id = ++deadline_id_](const error_code& cancelled) {
    if (cancelled || id != deadline_id_) return;
    timed_out_ = true;
    error_code ignored;
    socket_.cancel(ignored);
  });
}

void HttpConnection::end_deadline() {
  ++deadline_id_;
  deadline_.cancel();
}

void HttpConnection::start_watch() {
  const int id = ++watch_id_;
  socket_.async_wait(asio::ip::tcp::socket::wait_read, [this, self = shared_from_this(), id](const error_code& failed) {
    if (!failed && id == watch_id_) on_readable();
  });
}

void HttpConnection::end_watch() {
  ++watch_id_;
  error_code ignored;
  socket_.cancel(ignored);
}

// The client has sent more, or has gone. What it sends is its next request: taken in, so that its going away behind it
// is seen too.
void HttpConnection::on_readable() {
  while (buffer_.size() < kPipelinedBytesMax) {
    error_code failed;
    const std::size_t n_bytes = socket_.read_some(buffer_.prepare(1024), failed);
    if (failed == asio::error::would_block) return start_watch();
    if (failed) return client_gone();
    buffer_.commit(n_bytes);
  }
}

// For a client that pipelines more than we take in: asked at every keep-alive.
bool HttpConnection::peer_has_hung_up() {
  pollfd polled{socket_.native_handle(), POLLRDHUP, 0};
  return poll(&polled, 1, 0) > 0;
}

void HttpConnection::client_gone() {
  gone_ = true;
  wake_timer_.cancel();
  error_code ignored;
  socket_.cancel(ignored);  // a write that waits for this client
}

}  // namespace r1
