// http_connection.cpp: a connection's life: its requests one after the other, what it waits for, and what ends a wait.
// http_receive.cpp reads requests, http_send.cpp sends answers.
//
// A client that shuts down its sending side counts as gone while an answer is being made: browsers and HTTP clients do
// so only when they hang up, and nothing else tells that nobody reads any more.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <typeinfo>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "serve/http_incoming.h"

// GCC 12 takes the two sides of Asio's coroutine frame allocation for a mismatch when it inlines only one of them.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace r1 {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;

namespace {

constexpr std::size_t kPipelinedBytesMax = 64 << 10;
constexpr int kInterruptedMs = 1'000;  // for whatever a connection still does when the server stops now

// Anything else a client may have made up.
std::string_view loggable_method(std::string_view method) {
  for (const std::string_view known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
    if (method == known) return known;
  return "other";
}

}  // namespace

Time after_ms(int ms) { return std::chrono::steady_clock::now() + std::chrono::milliseconds(ms); }

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

HttpReply HttpConnection::handle(const HttpRequest& request) const {
  if (all_.draining && !all_.handler.answers_while_stopping(request)) return stopping_response();
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
    if (!next && interrupted_) next = stopping_response();
    if (!next && !co_await wait_until(after_ms(all_.options.keep_alive_ms))) next = pending.show_life();
    if (next) {
      append_headers(*next, pending.headers);
      reply = *std::move(next);
    }
  }
  end_watch();
  co_return reply;
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
