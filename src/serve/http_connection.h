// http_connection.h: one client: its requests one after the other, each read within limits, handled, answered.
//
// Everything here runs on the server's io thread, but HttpWaker::wake() and the counters. Three things may end a wait:
// a wake, the client going away (seen by a watch on the socket, which also takes in what the client pipelines, up to a
// bound), and the server stopping.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "base/rng.h"
#include "serve/http_message.h"
#include "serve/http_server.h"

namespace r1 {

class HttpConnection;

// What the connections of one server share.
struct HttpConnections {
  HttpConnections(std::shared_ptr<boost::asio::io_context> loop, HttpHandler& answers, const HttpServerOptions& limits)
      : io(std::move(loop)), handler(answers), options(limits), drain_timer(*io), request_ids(random_seed(), 0) {}

  std::shared_ptr<boost::asio::io_context> io;
  HttpHandler& handler;
  const HttpServerOptions options;
  std::unordered_set<HttpConnection*> live;
  boost::asio::steady_timer drain_timer;  // cancelled when the last answer ends
  std::int64_t bodies_bytes = 0;          // reserved for bodies that are being received or answered
  Rng request_ids;
  std::atomic<bool> draining = false;
  std::atomic<int> n_connections = 0, n_answering = 0, n_streaming = 0;
  std::atomic<std::int64_t> requests = 0, clients_gone = 0;
  std::array<std::atomic<std::int64_t>, 600> responses{};  // by status
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(boost::asio::ip::tcp::socket socket, HttpConnections& all);
  ~HttpConnection();

  // The connection's life, to be spawned.
  static boost::asio::awaitable<void> run(std::shared_ptr<HttpConnection> self);

  void close_if_idle();  // the server drains: between requests there is nothing to wait for
  void interrupt();      // the server stops now
  void on_wake();

 private:
  struct Incoming;  // a request, and what its answer must know of it

  boost::asio::awaitable<bool> serve_one();  // false: the connection is to be closed
  boost::asio::awaitable<bool> wait_for_request();
  boost::asio::awaitable<bool> receive(Incoming& incoming);
  boost::asio::awaitable<bool> refuse(int status, std::string_view message);
  boost::asio::awaitable<HttpReply> decide(HttpReply reply, std::string_view route);
  boost::asio::awaitable<bool> answer(HttpReply reply, const Incoming& incoming);
  boost::asio::awaitable<bool> send_response(const HttpResponse& response, const Incoming& incoming);
  boost::asio::awaitable<bool> send_deferred(std::unique_ptr<HttpDeferred> deferred, const Incoming& incoming);
  boost::asio::awaitable<bool> send_stream(std::unique_ptr<HttpStream> stream, const Incoming& incoming);

  enum class Piece { kMiddle, kLast };
  std::string body_head(std::string_view content_type, const std::vector<HttpHeader>& headers,
                        const Incoming& incoming) const;
  boost::asio::awaitable<bool> write_piece(std::string& piece, Piece which, const Incoming& incoming);
  boost::asio::awaitable<bool> write(std::string_view bytes);  // false: not delivered, the client has gone
  boost::asio::awaitable<bool> wait_until(boost::asio::steady_timer::time_point time);
  boost::asio::awaitable<void> linger();  // lets the client read our refusal before its unread bytes reset the line

  HttpReply handle(const HttpRequest& request) const;
  std::optional<HttpReply> advance(HttpPending& pending, std::string_view route) const;
  HttpResponse failed_reply(std::string_view route, const std::exception& problem) const;
  void begin_head(int status);
  void log_answer(std::string_view method, std::string_view route) const;
  bool keeps_alive(const Incoming& incoming) const;
  void start_deadline(int timeout_ms);  // cancels what the socket does when time is up
  void end_deadline();
  void start_watch();
  void end_watch();
  void on_readable();
  bool peer_has_hung_up();
  void client_gone();

  boost::asio::ip::tcp::socket socket_;
  HttpConnections& all_;
  boost::beast::flat_buffer buffer_;  // bytes received, not yet parsed
  boost::asio::steady_timer wake_timer_, deadline_;
  std::shared_ptr<HttpWaker::Target> target_;
  std::string request_id_;              // of the request at hand
  int status_ = 0;                      // it was answered with; 0: not yet
  std::int64_t received_at_ns_ = 0;     // its header
  int deadline_id_ = 0, watch_id_ = 0;  // a handler of an older deadline or watch has nothing to say any more
  bool between_requests_ = true, first_request_ = true;
  bool woken_ = false, gone_ = false, interrupted_ = false, timed_out_ = false;
};

}  // namespace r1
