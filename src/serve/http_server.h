// http_server.h: an HTTP/1.1 server on one io thread; the door of Boost.Asio and Beast.
//
//   auto server = HttpServer::listen({.port = 8080}, handler);
//   (*server)->run();                                          // the caller becomes the io thread, until stop()
//
// Limits: sizes of header and body, time for each of them, time a client may take to accept what it is sent, number of
// connections. A client that goes away is noticed while it waits, streaming or not. Stopping is in two steps: answers
// under way may finish within drain_ms, then (or at a second stop) they are interrupted. Until the last has ended, new
// requests are told 503, but for those the handler answers all the same: whether the server is ready, say.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "serve/http_message.h"

namespace r1 {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address, or "localhost"
  int port = 0;                    // 0: any free one
  int n_connections_max = 16'384;  // beyond: 503; lowered to what the file descriptor limit allows
  int header_bytes_max = 16 << 10;
  std::int64_t body_bytes_max = 8 << 20;
  std::int64_t bodies_bytes_max = 256 << 20;  // of all requests being received together; beyond: 503
  int header_timeout_ms = 10'000;             // from the first byte of a request to the end of its header
  int body_timeout_ms = 60'000;
  int idle_timeout_ms = 75'000;  // between requests
  int write_timeout_ms = 30'000;
  int keep_alive_ms = 8'000;  // silence in an answer under way before a comment or a blank line is sent
  int drain_ms = 30'000;
  bool stops_on_signals = false;  // SIGINT and SIGTERM
  bool logs_requests = false;     // a line for each, without anything a client sent but its request id
};

struct HttpServerStats {
  int n_connections = 0, n_answering = 0, n_streaming = 0;
  std::int64_t requests = 0, clients_gone = 0;  // since the start; gone: before their answer was complete
  std::map<int, std::int64_t> responses;        // by status, those of at least one; a stream counts when it begins
};

class HttpServer {
 public:
  // The handler must outlive the server.
  static Result<std::unique_ptr<HttpServer>> listen(const HttpServerOptions& options, HttpHandler& handler);
  ~HttpServer();

  int port() const;
  void run();
  void stop();            // from any thread
  bool stopping() const;  // these two likewise
  HttpServerStats stats() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace r1
