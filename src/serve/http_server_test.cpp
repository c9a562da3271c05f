// http_server_test.cpp: what the HTTP door lets in, how it answers, and whom it keeps waiting.
#include "serve/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/rng.h"
#include "tests/raw_client.h"

namespace r1 {
namespace {

// Counts the answers that are alive: one that outlives its client would go on generating.
struct Watch {
  std::atomic<int> alive = 0;
  std::atomic<std::int64_t> produced_bytes = 0;
};

class Trickle : public HttpStream {
 public:
  Trickle(Watch& watch, int n_events, std::string event) : watch_(watch), left_(n_events), event_(std::move(event)) {
    ++watch_.alive;
  }
  ~Trickle() override { --watch_.alive; }
  Progress advance(std::string& out) override {
    if (left_ == 0) return Progress::kWaiting;
    out += event_;
    watch_.produced_bytes += static_cast<std::int64_t>(event_.size());
    return --left_ == 0 && ends_ ? Progress::kDone : Progress::kMore;
  }
  void interrupt(std::string& out) override { out += "data: interrupted\n\n"; }
  bool ends_ = true;

 private:
  Watch& watch_;
  int left_;
  std::string event_;
};

class Never : public HttpDeferred {
 public:
  explicit Never(Watch& watch) : watch_(watch) { ++watch_.alive; }
  ~Never() override { --watch_.alive; }
  std::optional<HttpResponse> advance() override { return std::nullopt; }

 private:
  Watch& watch_;
};

// Answers when told to, from another thread.
struct Promise {
  std::mutex mutex;
  std::optional<HttpResponse> response;
  std::optional<HttpWaker> waker;

  bool is_made() {
    std::lock_guard lock(mutex);
    return waker.has_value();
  }
  void keep(HttpResponse answer) {
    std::lock_guard lock(mutex);
    response = std::move(answer);
    waker->wake();
  }
};

class Promised : public HttpDeferred {
 public:
  explicit Promised(Promise& promise) : promise_(promise) {}
  std::optional<HttpResponse> advance() override {
    std::lock_guard lock(promise_.mutex);
    return promise_.response;
  }

 private:
  Promise& promise_;
};

// Becomes what `next` makes once its promise is kept.
class Undecided : public HttpPending {
 public:
  Undecided(Promise& promise, std::function<HttpReply(HttpResponse)> next) : promise_(promise), next_(std::move(next)) {
    headers.push_back({"X-Pending", "yes"});
  }
  std::optional<HttpReply> advance() override {
    std::lock_guard lock(promise_.mutex);
    if (!promise_.response) return std::nullopt;
    return next_(*promise_.response);
  }

 private:
  Promise& promise_;
  std::function<HttpReply(HttpResponse)> next_;
};

class TestHandler : public HttpHandler {
 public:
  bool answers_while_stopping(const HttpRequest& request) const override { return request.path == "/still"; }
  HttpReply handle(const HttpRequest& request, const HttpWaker& waker) override {
    if (request.path == "/stream") return std::make_unique<Trickle>(watch, 3, "data: x\n\n");
    if (request.path == "/flood") return std::make_unique<Trickle>(watch, 1 << 30, std::string(4096, 'x'));
    if (request.path == "/silence") {
      auto stream = std::make_unique<Trickle>(watch, 1, "data: first\n\n");
      stream->ends_ = false;
      return stream;
    }
    if (request.path == "/never") return std::make_unique<Never>(watch);
    if (request.path == "/promise") {
      std::lock_guard lock(promise.mutex);
      promise.waker = waker;
      return std::make_unique<Promised>(promise);
    }
    if (request.path.starts_with("/undecided/")) {
      std::lock_guard lock(promise.mutex);
      promise.waker = waker;
      return std::make_unique<Undecided>(promise, [this, path = request.path](HttpResponse response) -> HttpReply {
        if (path == "/undecided/throw") throw std::runtime_error("a library's exception");
        if (path == "/undecided/stream") return std::make_unique<Trickle>(watch, 3, "data: x\n\n");
        return response;
      });
    }
    if (request.path == "/throw") throw std::runtime_error("a library's exception");
    HttpResponse response;
    response.content_type = "text/plain";
    response.headers.push_back({"X-Injected", "a\r\nEvil: 1"});
    response.body = request.method + " " + request.path + " " + request.query + " " + request.body;
    return response;
  }
  Watch watch;
  Promise promise;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    auto listening = HttpServer::listen(options, handler);
    ASSERT_TRUE(listening.ok()) << listening.error().message;
    server = std::move(*listening);
    port = server->port();
    thread = std::thread([this] { server->run(); });
  }
  void stop_now() {
    if (!thread.joinable()) return;
    server->stop();
    server->stop();
    thread.join();
  }
  void TearDown() override { stop_now(); }

  std::string ask(std::string_view request) {
    RawClient client(port);
    client.send(request);
    return client.read_all();
  }
  std::string get(std::string_view path) {
    return ask("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }

  TestHandler handler;
  std::unique_ptr<HttpServer> server;
  int port = 0;
  std::thread thread;
};

HttpResponse json_response(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

bool eventually(const std::function<bool()>& holds, int timeout_ms = 5000) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

std::string status_of(const std::string& answer) { return answer.size() < 12 ? answer : answer.substr(9, 3); }
std::string body_of(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}
int count(const std::string& text, std::string_view part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  start();
  RawClient client(port);
  client.send("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string first = client.read_until("GET /a b=c ");
  EXPECT_EQ(status_of(first), "200");
  EXPECT_NE(first.find("Connection: keep-alive\r\n"), std::string::npos);
  client.forget();
  client.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(body_of(client.read_until("hello")), "POST /b  hello");
  client.send("GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  client.read_all();
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  RawClient client(port);
  client.send(
      "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
  const std::string& all = client.read_all();
  const std::size_t one = all.find("GET /1"), two = all.find("data: x"), three = all.find("POST /3  ok");
  EXPECT_LT(one, two);
  EXPECT_LT(two, three);
  EXPECT_NE(three, std::string::npos) << all;
}

TEST_F(HttpServerTest, SameAnswerWhereverTheRequestIsCut) {
  start();
  const std::string request =
      "POST /cut?q HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\n";
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    RawClient client(port);
    client.send(std::string_view(request).substr(0, cut));
    client.send(std::string_view(request).substr(cut));
    EXPECT_EQ(body_of(client.read_all()), "POST /cut q abcdefg") << "cut at " << cut;
  }
}

// A line that continues the one before it is refused in a header; in a body it is a body's.
TEST_F(HttpServerTest, FoldedLinesAreSeenWhereverTheRequestIsCut) {
  start();
  const std::string header = "POST /cut HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nConnection: close\r\n";
  const std::string good = header + "\r\n a\r\n b", folded = header + "A: b\r\n c\r\n\r\n a\r\n b";
  for (std::size_t cut = 1; cut < folded.size(); ++cut) {
    for (const std::string& request : {good, folded}) {
      if (cut >= request.size()) continue;
      RawClient client(port);
      client.send(std::string_view(request).substr(0, cut));
      client.send(std::string_view(request).substr(cut));
      const std::string& answer = client.read_all();
      EXPECT_EQ(status_of(answer), request == good ? "200" : "400") << "cut at " << cut;
      if (request == good) {
        EXPECT_EQ(body_of(answer), "POST /cut   a\r\n b") << "cut at " << cut;
      }
    }
  }
}

TEST_F(HttpServerTest, FieldsBehindABodyAreNoHeaders) {
  start();
  const std::string answer =
      ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
          "3\r\nabc\r\n0\r\nX-Request-Id: from-behind\r\n\r\n");
  EXPECT_EQ(status_of(answer), "200");
  EXPECT_EQ(answer.find("from-behind"), std::string::npos) << answer;
}

TEST_F(HttpServerTest, HeadHasTheHeadersOnly) {
  start();
  const std::string answer = ask("HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(answer), "200");
  EXPECT_NE(answer.find("Content-Length: 9\r\n"), std::string::npos) << answer;
  EXPECT_EQ(body_of(answer), "");
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttpOrCouldSmuggle) {
  start();
  using namespace std::string_literals;
  const std::string kBad[] = {
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 garbage\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/1.1\r\nNo colon here\r\n\r\n",
      "GET / HTTP/1.1\nHost: x\n\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
      "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"s,
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc: d\r\n\r\n",
      "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 3\r\n\r\nabc",
      "POST / HTTP/1.1\r\nHost: x\r\nA: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
  };
  for (const std::string& bad : kBad) {
    RawClient client(port);
    client.send(bad);
    const std::string& answer = client.read_all(1000);
    EXPECT_EQ(status_of(answer), "400") << bad;
    EXPECT_NE(answer.find("\"invalid_request_error\""), std::string::npos) << answer;
    EXPECT_TRUE(client.closed()) << bad;
  }
  EXPECT_EQ(status_of(ask("GET / HTTP/2.0\r\nHost: x\r\n\r\n")), "400");
  EXPECT_EQ(status_of(get("/alive")), "200");
}

TEST_F(HttpServerTest, SurvivesMutatedRequests) {
  start({.header_timeout_ms = 20, .body_timeout_ms = 20, .idle_timeout_ms = 20});
  const std::string good =
      "POST /fuzz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  Rng rng(7, 0);
  for (int round = 0; round < 200; ++round) {
    std::string bad = good;
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) {
      const std::size_t at = rng.below(bad.size());
      if (rng.below(3) == 0)
        bad.erase(at, 1 + rng.below(6));
      else
        bad[at] = static_cast<char>(rng.below(256));
      if (bad.empty()) bad = "\r";
    }
    RawClient client(port);
    client.send(bad);
    if (rng.below(2) == 0) client.read_all(200);
  }
  EXPECT_EQ(status_of(get("/alive")), "200");
  EXPECT_TRUE(eventually([&] { return server->stats().n_connections == 0; }));
}

TEST_F(HttpServerTest, LimitsHeaderAndBody) {
  start({.header_bytes_max = 1000, .body_bytes_max = 1000});
  EXPECT_EQ(status_of(ask("GET / HTTP/1.1\r\nA: " + std::string(2000, 'a') + "\r\n\r\n")), "431");
  EXPECT_EQ(status_of(ask("POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n")), "413");
  EXPECT_EQ(
      status_of(ask("POST / HTTP/1.1\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n" + std::string(1000, 'a'))),
      "200");
  std::string chunks;
  for (int i = 0; i < 200; ++i) chunks += "10\r\n0123456789abcdef\r\n";
  EXPECT_EQ(status_of(ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)), "413");
  EXPECT_EQ(status_of(ask("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")), "415");
}

TEST_F(HttpServerTest, RefusesBodiesBeyondTheSumThatMayBeInFlight) {
  start({.body_bytes_max = 1000, .bodies_bytes_max = 1500});
  RawClient first(port);
  first.send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
  EXPECT_EQ(status_of(first.read_until("\r\n\r\n")), "100");
  const std::string refused = ask("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n");
  EXPECT_EQ(status_of(refused), "503");
  EXPECT_NE(refused.find("\r\nRetry-After: 1\r\n"), std::string::npos) << refused;
  first.forget();
  first.send(std::string(1000, 'a'));
  EXPECT_EQ(status_of(first.read_until("aaa")), "200");
  EXPECT_EQ(status_of(ask("POST / HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")), "200");
}

TEST_F(HttpServerTest, SlowHeadersAndBodiesAreCutOff) {
  start({.header_timeout_ms = 30, .body_timeout_ms = 30});
  EXPECT_EQ(status_of(ask("GET / HTTP/1.1\r\nHost")), "408");
  EXPECT_EQ(status_of(ask("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")), "408");
  RawClient silent(port);
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_TRUE(silent.closed());
}

TEST_F(HttpServerTest, IdleConnectionsAreClosedSilently) {
  start({.idle_timeout_ms = 30});
  RawClient client(port);
  client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("GET /a");
  client.forget();
  EXPECT_EQ(client.read_all().substr(0, 4), "");
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, HandlerExceptionsAndHeaderInjectionStayInside) {
  start();
  EXPECT_EQ(status_of(get("/throw")), "500");
  const std::string answer = get("/alive");
  EXPECT_EQ(status_of(answer), "200");
  EXPECT_EQ(answer.find("\r\nEvil"), std::string::npos);
}

TEST_F(HttpServerTest, AbsoluteTargetsAreReadAsTheirPath) {
  start();
  EXPECT_EQ(body_of(ask("GET http://evil/p?q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), "GET /p q ");
}

TEST_F(HttpServerTest, StreamsInChunksAndToOldClientsWithout) {
  start();
  const std::string chunked = get("/stream");
  EXPECT_NE(chunked.find("Content-Type: text/event-stream"), std::string::npos);
  EXPECT_EQ(count(chunked, "data: x\n\n"), 3);
  EXPECT_TRUE(chunked.ends_with("0\r\n\r\n")) << chunked;
  EXPECT_EQ(body_of(ask("GET /stream HTTP/1.0\r\n\r\n")), "data: x\n\ndata: x\n\ndata: x\n\n");
  EXPECT_EQ(handler.watch.alive, 0);
}

TEST_F(HttpServerTest, SilentStreamsSendComments) {
  start({.keep_alive_ms = 10});
  RawClient client(port);
  client.send("GET /silence HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("data: first");
  const std::string two = ": keep-alive\n\n\r\n0000000e\r\n: keep-alive\n\n";
  EXPECT_NE(client.read_until(two).find(two), std::string::npos);
}

TEST_F(HttpServerTest, AClientThatLeavesEndsItsStreamAndItsDeferredAnswer) {
  start();
  for (const char* path : {"/silence", "/never", "/flood"}) {
    RawClient client(port);
    client.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return handler.watch.alive == 1; })) << path;
    client.close();
    EXPECT_TRUE(eventually([&] { return handler.watch.alive == 0; }, 250)) << path;
  }
  EXPECT_TRUE(eventually([&] { return server->stats().clients_gone == 3; }));
  EXPECT_EQ(server->stats().n_streaming, 0);
}

TEST_F(HttpServerTest, AClientThatPipelinesBehindAnAnswerAndLeavesIsNoticed) {
  start();
  RawClient client(port);
  client.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return handler.watch.alive == 1; }));
  client.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  client.close();
  EXPECT_TRUE(eventually([&] { return handler.watch.alive == 0; }, 250));
}

TEST_F(HttpServerTest, DeferredAnswersArriveWhenWokenFromAnotherThread) {
  start();
  RawClient client(port);
  client.send("GET /promise HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return handler.promise.is_made(); }));
  handler.promise.keep(json_response(400, "{\"kept\":1}"));
  EXPECT_EQ(status_of(client.read_until("kept")), "400");
}

TEST_F(HttpServerTest, LongDeferredAnswersAreKeptAliveWithBlankLines) {
  start({.keep_alive_ms = 10});
  RawClient client(port);
  client.send("GET /promise HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("\r\n00000001\r\n\n\r\n");
  handler.promise.keep(json_response(200, "{\"kept\":1}"));
  const std::string& answer = client.read_until("0\r\n\r\n");
  EXPECT_EQ(status_of(answer), "200");
  EXPECT_NE(answer.find("{\"kept\":1}\r\n0\r\n\r\n"), std::string::npos) << answer;
}

TEST_F(HttpServerTest, AFailureBehindBlankLinesBreaksTheConnection) {
  start({.keep_alive_ms = 10});
  RawClient client(port);
  client.send("GET /promise HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("\r\n00000001\r\n\n\r\n");
  handler.promise.keep(json_response(500, "{\"kept\":1}"));
  const std::string& answer = client.read_all();
  EXPECT_TRUE(client.closed());
  EXPECT_FALSE(answer.ends_with("0\r\n\r\n"));
}

TEST_F(HttpServerTest, AnUndecidedAnswerSendsNothingUntilItIsKnown) {
  start({.keep_alive_ms = 20});
  const auto decide = [&](std::string_view path, HttpResponse response) {
    handler.promise.waker.reset();
    handler.promise.response.reset();
    RawClient client(port);
    client.send("GET /undecided/" + std::string(path) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return handler.promise.is_made(); }));
    client.read_until("HTTP", 60);  // three times what makes an answer under way send a sign of life
    EXPECT_EQ(client.read_until("HTTP", 0), "");
    handler.promise.keep(std::move(response));
    return client.read_all();
  };
  const std::string refused = decide("response", json_response(402, "{}"));
  EXPECT_EQ(status_of(refused), "402");
  EXPECT_NE(refused.find("X-Pending: yes"), std::string::npos);
  const std::string stream = decide("stream", json_response(200, ""));
  EXPECT_EQ(status_of(stream), "200");
  EXPECT_NE(stream.find("text/event-stream"), std::string::npos);
  EXPECT_NE(stream.find("X-Pending: yes"), std::string::npos);
  EXPECT_EQ(status_of(decide("throw", json_response(200, ""))), "500");
  {
    handler.promise.waker.reset();
    handler.promise.response.reset();
    RawClient gone(port);
    gone.send("GET /undecided/response HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return handler.promise.is_made(); }));
  }
  EXPECT_TRUE(eventually([&] { return server->stats().n_connections == 0; }));
  EXPECT_EQ(server->stats().clients_gone, 1);
}

TEST_F(HttpServerTest, ASlowReaderHoldsUpOnlyItself) {
  start({.write_timeout_ms = 200});
  RawClient slow(port, 4096);
  slow.send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
  slow.read_until("xxx");
  std::int64_t produced = -1;
  ASSERT_TRUE(eventually([&] { return std::exchange(produced, handler.watch.produced_bytes.load()) == produced; }));
  EXPECT_LT(produced, 16 << 20);  // what the kernel's buffers hold
  EXPECT_EQ(status_of(get("/other")), "200");
  EXPECT_TRUE(eventually([&] { return handler.watch.alive == 0; })) << "write_timeout_ms has passed";
}

TEST_F(HttpServerTest, TurnsAwayConnectionsBeyondItsNumber) {
  start({.n_connections_max = 2});
  RawClient one(port), two(port);
  one.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  two.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  one.read_until("GET /a");
  two.read_until("GET /a");
  RawClient three(port);
  EXPECT_EQ(status_of(three.read_all()), "503");
  one.close();
  EXPECT_TRUE(eventually([&] { return server->stats().n_connections == 1; }));
  EXPECT_EQ(status_of(get("/again")), "200");
}

TEST_F(HttpServerTest, StoppingLetsAnswersFinish) {
  start();
  RawClient waiting(port), idle(port);
  idle.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.read_until("GET /a");
  waiting.send("GET /promise HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return handler.promise.is_made(); }));
  server->stop();
  idle.read_all();
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(server->stopping());
  handler.promise.keep(json_response(200, "{\"kept\":1}"));
  EXPECT_NE(waiting.read_all().find("kept"), std::string::npos);
  thread.join();
}

TEST_F(HttpServerTest, AnswersThatOutlastTheDrainAreInterrupted) {
  start({.drain_ms = 20});
  RawClient client(port), deferred(port), undecided(port);
  client.send("GET /silence HTTP/1.1\r\nHost: x\r\n\r\n");
  deferred.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  undecided.send("GET /undecided/response HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("data: first");
  ASSERT_TRUE(eventually([&] { return handler.watch.alive == 2 && handler.promise.is_made(); }));
  server->stop();
  EXPECT_NE(client.read_all().find("data: interrupted\n\n\r\n0\r\n\r\n"), std::string::npos);
  for (RawClient* unanswered : {&deferred, &undecided}) {
    const std::string& answer = unanswered->read_all();
    EXPECT_EQ(status_of(answer), "503");
    EXPECT_NE(answer.find("\r\nRetry-After: 5\r\n"), std::string::npos) << answer;
  }
  thread.join();
  EXPECT_EQ(handler.watch.alive, 0);
}

TEST_F(HttpServerTest, WhileItStopsItAnswersWhatMustBeAnswered) {
  start();
  RawClient waiting(port);
  waiting.send("GET /promise HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return handler.promise.is_made(); }));
  server->stop();
  ASSERT_TRUE(eventually([&] { return server->stopping(); }));
  const std::string refused = get("/again");
  EXPECT_EQ(status_of(refused), "503");
  EXPECT_NE(refused.find("\r\nRetry-After: 5\r\n"), std::string::npos) << refused;
  EXPECT_EQ(status_of(get("/still")), "200");
  handler.promise.keep(json_response(200, "{\"kept\":1}"));
  EXPECT_NE(waiting.read_all().find("kept"), std::string::npos);
  thread.join();
  EXPECT_FALSE(RawClient(port).connected()) << "the port is closed once nothing is under way";
}

TEST_F(HttpServerTest, RequestsHaveIds) {
  start();
  const auto id_of = [](const std::string& reply) {
    const std::size_t at = reply.find("X-Request-Id: ");
    return at == std::string::npos ? "" : reply.substr(at + 14, reply.find("\r\n", at) - at - 14);
  };
  const auto with = [&](const std::string& id) {
    RawClient client(port);
    client.send("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: " + id + "\r\n\r\n");
    return id_of(client.read_all());
  };
  EXPECT_EQ(with("order-66.b_7"), "order-66.b_7");
  const std::string made = with("no spaces, please");
  EXPECT_TRUE(made.starts_with("req-") && made.size() == 36) << made;
  EXPECT_NE(with("<script>"), made) << "each its own";
  EXPECT_EQ(with(std::string(128, 'a')), std::string(128, 'a'));
  EXPECT_TRUE(with(std::string(129, 'a')).starts_with("req-"));
  EXPECT_EQ(with("{}").size(), 36u);
  RawClient broken(port);
  broken.send("nonsense\r\n\r\n");
  const std::string& reply = broken.read_all();
  EXPECT_NE(reply.find("\"request_id\":\"" + id_of(reply) + "\"}"), std::string::npos) << reply;
}

TEST_F(HttpServerTest, WakersOutliveTheServer) {
  start();
  {
    RawClient client(port);
    client.send("GET /promise HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return handler.promise.is_made(); }));
  }
  const HttpWaker waker = *handler.promise.waker;
  stop_now();
  server.reset();
  waker.wake();
}

TEST(HttpServer, SaysWhyItCannotListen) {
  TestHandler handler;
  const auto nowhere = HttpServer::listen({.host = "not-an-address"}, handler);
  EXPECT_NE(nowhere.error().message.find("not-an-address:0: not an address"), std::string::npos);
  const auto first = HttpServer::listen({}, handler);
  ASSERT_TRUE(first.ok());
  const auto second = HttpServer::listen({.port = (*first)->port()}, handler);
  EXPECT_NE(second.error().message.find("Address already in use"), std::string::npos);
}

}  // namespace
}  // namespace r1
