// http_server.cpp: listening, accepting, stopping.
#include "serve/http_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "serve/http_connection.h"
#include "serve/http_incoming.h"

namespace r1 {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr int kTickMs = 200;
constexpr int kSpareDescriptors = 64;  // for files, the standard streams, and connections that are turned away

// As many connections as asked for or as the system lets this process hold, raising the soft limit first.
int connections_within_limits(int wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const auto needed = static_cast<rlim_t>(wanted) + kSpareDescriptors;
  if (limit.rlim_cur < needed) {
    limit.rlim_cur = std::min(needed, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed) return wanted;
  return std::max(1, static_cast<int>(limit.rlim_cur) - kSpareDescriptors);
}

HttpServerOptions within_limits(HttpServerOptions options) {
  options.n_connections_max = connections_within_limits(options.n_connections_max);
  return options;
}

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpServerOptions& options, HttpHandler& handler)
      : io(std::make_shared<asio::io_context>(1)),
        acceptor(*io),
        signals(*io),
        tick_timer(*io),
        all(io, handler, within_limits(options)) {}

  Status open();
  awaitable<void> accept_clients();
  awaitable<void> tick();
  void turn_away(tcp::socket socket);
  void await_signal();
  void begin_stop();
  awaitable<void> drain();

  std::shared_ptr<asio::io_context> io;
  tcp::acceptor acceptor;
  asio::signal_set signals;
  asio::steady_timer tick_timer;
  HttpConnections all;
  bool has_ended = false;
  bool must_hurry = false;  // stop without draining
};

Status HttpServer::Impl::open() {
  const HttpServerOptions& options = all.options;
  const auto failure = [&](std::string_view why) {
    return Error{ErrorCode::kIo, fmt::format("cannot listen on {}:{}: {}", options.host, options.port, why)};
  };
  error_code failed;
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  const auto address = asio::ip::make_address(host, failed);
  if (failed) return failure("not an address");
  if (options.port < 0 || options.port > 65535) return failure("not a port");
  const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(options.port));
  if (acceptor.open(endpoint.protocol(), failed); failed) return failure(failed.message());
  acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (acceptor.bind(endpoint, failed); failed) return failure(failed.message());
  if (acceptor.listen(asio::socket_base::max_listen_connections, failed); failed) return failure(failed.message());
  asio::co_spawn(*io, accept_clients(), asio::detached);
  asio::co_spawn(*io, tick(), asio::detached);
  if (options.stops_on_signals) {
    signals.add(SIGINT, failed);
    signals.add(SIGTERM, failed);
    await_signal();
  }
  return {};
}

awaitable<void> HttpServer::Impl::accept_clients() {
  asio::steady_timer pause(*io);
  for (;;) {
    auto [failed, socket] = co_await acceptor.async_accept(kAwait);
    if (!acceptor.is_open()) co_return;
    if (failed) {  // out of file descriptors, mostly: those who wait in the backlog are served when some are free again
      pause.expires_after(std::chrono::milliseconds(50));
      co_await pause.async_wait(kAwait);
    } else if (all.n_connections >= all.options.n_connections_max) {
      turn_away(std::move(socket));
    } else {
      const auto connection = std::make_shared<HttpConnection>(std::move(socket), all);
      asio::co_spawn(*io, HttpConnection::run(connection), asio::detached);
    }
  }
}

awaitable<void> HttpServer::Impl::tick() {
  while (!has_ended) {
    all.handler.tick();
    tick_timer.expires_after(std::chrono::milliseconds(kTickMs));
    co_await tick_timer.async_wait(kAwait);
  }
}

// One try: who can't take these bytes at once gets a closed connection, which says the same.
void HttpServer::Impl::turn_away(tcp::socket socket) {
  ++all.responses[503];
  const std::string body = error_body(503, "too many connections");
  const std::string text = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\nRetry-After: 1\r\n"
      "Connection: close\r\n\r\n{}",
      body.size(), body);
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(text), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void HttpServer::Impl::await_signal() {
  signals.async_wait([this](const error_code& cancelled, int /*signal*/) {
    if (cancelled) return;
    await_signal();  // first: with nothing to drain, begin_stop() cancels it right away
    begin_stop();
  });
}

void HttpServer::Impl::begin_stop() {
  if (all.draining) {  // asked a second time
    must_hurry = true;
    all.drain_timer.cancel();
    return;
  }
  all.draining = true;
  if (all.n_answering > 0)
    log_info("stopping; a second signal ends what runs at once",
             {{"answering", std::int64_t{all.n_answering}}, {"drain_ms", std::int64_t{all.options.drain_ms}}});
  for (HttpConnection* connection : all.live) connection->close_if_idle();
  asio::co_spawn(*io, drain(), asio::detached);
}

// Ends when the last answer has; then nothing is left that would keep run() from returning. Clients are accepted until
// then: a closed port would not tell a balancer in front of us from a dead server.
awaitable<void> HttpServer::Impl::drain() {
  if (all.n_answering > 0 && !must_hurry) {
    all.drain_timer.expires_after(std::chrono::milliseconds(all.options.drain_ms));
    co_await all.drain_timer.async_wait(kAwait);
  }
  error_code ignored;
  has_ended = true;
  tick_timer.cancel();
  acceptor.close(ignored);
  for (HttpConnection* connection : all.live) connection->interrupt();
  signals.cancel(ignored);
}

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpServerOptions& options, HttpHandler& handler) {
  try {
    auto impl = std::make_unique<Impl>(options, handler);
    R1_TRY_STATUS(impl->open());
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
  } catch (const std::exception& problem) {
    return Error{ErrorCode::kIo, fmt::format("cannot start the HTTP server: {}", problem.what())};
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

// Whatever state run() was left in, every connection's coroutine is brought to its end: they own engine streams.
HttpServer::~HttpServer() {
  stop();
  stop();
  run();
}

int HttpServer::port() const {
  error_code failed;
  const auto endpoint = impl_->acceptor.local_endpoint(failed);
  return failed ? 0 : endpoint.port();
}

void HttpServer::run() {
  impl_->io->restart();
  impl_->io->run();
}

void HttpServer::stop() {
  asio::post(*impl_->io, [impl = impl_.get()] { impl->begin_stop(); });
}

bool HttpServer::stopping() const { return impl_->all.draining; }

HttpServerStats HttpServer::stats() const {
  const HttpConnections& all = impl_->all;
  HttpServerStats stats{all.n_connections, all.n_answering, all.n_streaming, all.requests, all.clients_gone, {}};
  for (std::size_t status = 0; status < all.responses.size(); ++status)
    if (all.responses[status] > 0) stats.responses[static_cast<int>(status)] = all.responses[status];
  return stats;
}

}  // namespace r1
