// model_wait_test.cpp: what becomes of a request that waits for a model: before its client was sent anything, and
// after.
#include "serve/model_wait.h"

#include <gtest/gtest.h>

#include <thread>

#include <nlohmann/json.hpp>

#include "base/bounded_queue.h"

namespace r1 {
namespace {

class Words final : public HttpStream {
 public:
  Progress advance(std::string& out) override {
    out += "data: words\n\n";
    return Progress::kDone;
  }
  void interrupt(std::string& out) override { out += "data: cut\n\n"; }
};

class Body final : public HttpDeferred {
 public:
  std::optional<HttpResponse> advance() override { return HttpResponse{.headers = {}, .body = "{}"}; }
};

class Asking final : public HttpPending {  // becomes `reply` when asked a second time
 public:
  explicit Asking(HttpReply reply) : reply_(std::move(reply)) {}
  std::optional<HttpReply> advance() override {
    return ++n_asked_ < 2 ? std::nullopt : std::optional<HttpReply>(std::move(reply_));
  }

 private:
  HttpReply reply_;
  int n_asked_ = 0;
};

class ModelWaitTest : public ::testing::Test {
 protected:
  void start(const Result<ServedModel>& loaded) {
    const auto load = [this, loaded] {
      gate.pop();
      return loaded;
    };
    roster = std::make_unique<ModelRoster>(
        std::vector<OfferedModel>{{.name = "a", .context_length = 8, .bytes = 1, .load = load}}, RosterOptions{});
  }
  std::unique_ptr<ModelWait> wait(ModelRequest::Then then, FailureEvent fail) {
    return std::make_unique<ModelWait>(ModelRequest(*roster, roster->wait_for(0, HttpWaker(nullptr)), std::move(then)),
                                       fail);
  }
  static HttpReply words(const ServedModel& model) {
    EXPECT_EQ(model.name, "a");
    return std::make_unique<Words>();
  }
  static HttpReply refused(const ServedModel& /*model*/) { return error_response(402, "no money"); }
  static std::string read(HttpStream& stream) {
    std::string out;
    while (stream.advance(out) != HttpStream::Progress::kDone) std::this_thread::yield();
    return out;
  }
  static HttpResponse read(HttpDeferred& deferred) {
    std::optional<HttpResponse> response;
    while (!(response = deferred.advance())) std::this_thread::yield();
    return *response;
  }
  static HttpReply read(HttpPending& pending) {
    std::optional<HttpReply> reply;
    while (!(reply = pending.advance())) std::this_thread::yield();
    return *std::move(reply);
  }

  BoundedQueue<int> gate{4};
  std::unique_ptr<ModelRoster> roster;
};

TEST_F(ModelWaitTest, BeforeTheClientWasSentAnythingItIsTheAnswer) {
  start(ServedModel{.name = "a"});
  const auto pending = wait(words, append_failure);
  EXPECT_FALSE(pending->advance());
  gate.push(0);
  EXPECT_TRUE(std::holds_alternative<std::unique_ptr<HttpStream>>(read(*pending)));
}

TEST_F(ModelWaitTest, AStreamThatHasBegunGoesOnAsTheAnswer) {
  start(ServedModel{.name = "a"});
  HttpReply shown = *wait(words, append_failure)->show_life();
  HttpStream& stream = *std::get<std::unique_ptr<HttpStream>>(shown);
  std::string out;
  EXPECT_EQ(stream.advance(out), HttpStream::Progress::kWaiting);
  stream.interrupt(out);
  EXPECT_NE(out.find("the server is stopping"), std::string::npos);
  gate.push(0);
  EXPECT_EQ(read(stream), "data: words\n\n");
  out.clear();
  stream.interrupt(out);
  EXPECT_EQ(out, "data: cut\n\n") << "the answer's own last words";
}

TEST_F(ModelWaitTest, ARefusalIsThenAnEvent) {
  start(ServedModel{.name = "a"});
  const auto ask_first = [](const ServedModel& model) -> HttpReply { return std::make_unique<Asking>(refused(model)); };
  HttpReply shown = *wait(ask_first, append_failure)->show_life();
  gate.push(0);
  const std::string event = read(*std::get<std::unique_ptr<HttpStream>>(shown));
  ASSERT_TRUE(event.starts_with("data: {") && event.ends_with("\n\n"));
  EXPECT_EQ(nlohmann::json::parse(event.substr(6))["error"]["message"], "no money");
}

TEST_F(ModelWaitTest, DialectsHaveTheirOwnWordsForIt) {
  start(ServedModel{.name = "a"});
  const auto refusal = [&](FailureEvent fail) {
    HttpReply shown = *wait(refused, fail)->show_life();
    gate.push(0);
    return read(*std::get<std::unique_ptr<HttpStream>>(shown));
  };
  EXPECT_EQ(refusal(append_messages_failure),
            "event: error\ndata: "
            R"({"type":"error","error":{"message":"no money","type":"unknown_error","param":null,"code":null}})"
            "\n\n");
  EXPECT_EQ(refusal(append_responses_failure),
            "event: error\ndata: "
            R"({"type":"error","sequence_number":0,"code":null,"message":"no money","param":null})"
            "\n\n");
}

TEST_F(ModelWaitTest, AWholeAnswerWaitsLikewise) {
  start(ServedModel{.name = "a"});
  const auto body = [](const ServedModel&) -> HttpReply { return std::make_unique<Body>(); };
  HttpReply answered = *wait(body, /*fail=*/nullptr)->show_life();
  HttpReply denied = *wait(refused, /*fail=*/nullptr)->show_life();
  EXPECT_FALSE(std::get<std::unique_ptr<HttpDeferred>>(answered)->advance());
  gate.push(0);
  EXPECT_EQ(read(*std::get<std::unique_ptr<HttpDeferred>>(answered)).body, "{}");
  EXPECT_EQ(read(*std::get<std::unique_ptr<HttpDeferred>>(denied)).status, 402);
}

TEST_F(ModelWaitTest, RefusalsOfTheRosterHaveTheirCodes) {
  start(Error{ErrorCode::kIo, "/secret/place: gone"});
  const auto pending = wait(words, /*fail=*/nullptr);
  gate.push(0);
  const auto response = std::get<HttpResponse>(read(*pending));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(response.body)["error"]["code"], "model_not_loaded");
  EXPECT_EQ(model_refusal({ErrorCode::kInvalidInput, ""}).status, 400);
  const HttpResponse full = model_refusal({ErrorCode::kOutOfResource, "full"});
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(nlohmann::json::parse(full.body)["error"]["code"], "no_room_for_model");
}

}  // namespace
}  // namespace r1
