// accounts_fixture_for_tests.h: an API with keys, over a scripted engine and a ledger in a file of its own.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include <nlohmann/json.hpp>

#include "base/temp_folder_for_tests.h"
#include "ledger/sqlite_ledger.h"
#include "serve/accounts.h"
#include "serve/api_server.h"
#include "serve/script_model.h"

namespace r1 {

using nlohmann::json;

// A ledger whose disk can be taken away.
class BreakableLedger final : public Ledger {
 public:
  explicit BreakableLedger(std::unique_ptr<Ledger> inner) : inner_(std::move(inner)) {}
  void submit(Change change, Done done) override {
    if (is_broken) return done(Error{ErrorCode::kIo, "/secret/path: the disk is gone"});
    inner_->submit(std::move(change), std::move(done));
  }
  Result<StoredSums> read(FunctionRef<Status(const Entry&)> each) override { return inner_->read(each); }
  Status check_storage() override { return inner_->check_storage(); }
  Result<std::optional<LedgerSnapshot>> read_snapshot() override { return inner_->read_snapshot(); }

  std::atomic<bool> is_broken = false;

 private:
  std::unique_ptr<Ledger> inner_;
};

struct Reply {
  int status = 0;
  std::string body;
  std::vector<HttpHeader> headers;

  json body_json() const { return json::parse(body, nullptr, false); }
  std::string header(std::string_view name) const {
    for (const HttpHeader& header : headers)
      if (equal_ignoring_case(header.name, name)) return header.value;
    return "";
  }
};

inline constexpr std::string_view kAnswers = R"({"model": "r1", "parallel": 100, "answers": [
  {"when": "stall", "cached_tokens": 4, "steps": [{"text": "one two three"}, {"stall": true}]},
  {"when": "wait", "steps": [{"stall": true}]},
  {"when": "fail", "steps": [{"text": "one two"}, {"fail": "the expert store is gone"}]},
  {"when": "stop", "steps": [{"text": "</think>a b STOP c d e"}]},
  {"cached_tokens": 3, "steps": [{"text": "Hm.\n</think>\n\nHello there!"}]}]})";

class AccountsTest : public ::testing::Test {
 protected:
  void SetUp() override { start(KeyRule::kRequired); }
  void TearDown() override { stop(); }

  void start(KeyRule rule, std::string_view script_json = kAnswers) {
    stop();
    model = *ScriptModel::from_script(*Script::parse(script_json, "test"));
    auto opened = open_sqlite_ledger(folder.path_of("ledger.db"), {.role = LedgerRole::kServes});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    auto breakable = std::make_unique<BreakableLedger>(*std::move(opened));
    ledger = breakable.get();
    accounts = std::make_unique<Accounts>(std::move(breakable), rule);
    api = std::make_unique<ApiServer>(std::vector{model->served()}, AccessOptions{}, accounts.get());
  }
  // As `r1 serve` ends: the engine before the ledger.
  void stop() {
    api.reset();
    model.reset();
    accounts.reset();
    ledger = nullptr;
  }

  NewKey make_key(const KeyLimits& limits = {}, std::int64_t credit_nanousd = 1'000'000'000) {
    account = *ledger->create_account("account " + std::to_string(++n_accounts), AccountKind::kPrepaid);
    EXPECT_TRUE(ledger->credit(account, credit_nanousd, "test").ok());
    return *ledger->create_key(account, "key", limits);
  }

  static HttpRequest post(std::string_view secret, std::string body, std::vector<HttpHeader> more = {}) {
    HttpRequest request{"POST", "/v1/chat/completions", "", "1.1", {{"Host", "localhost"}}, std::move(body)};
    if (!secret.empty()) request.headers.push_back({"Authorization", "Bearer " + std::string(secret)});
    request.headers.insert(request.headers.end(), more.begin(), more.end());
    return request;
  }
  static std::string body_of(std::string_view content, json more = json::object()) {
    more["messages"] = {{{"role", "user"}, {"content", content}}};
    return more.dump();
  }

  // What the answer is, once the ledger has spoken.
  HttpReply begin(const HttpRequest& request) {
    HttpReply reply = api->handle(request, HttpWaker(nullptr));
    while (auto* pending = std::get_if<std::unique_ptr<HttpPending>>(&reply)) {
      if (auto next = (*pending)->advance())
        reply = *std::move(next);
      else
        std::this_thread::yield();
    }
    return reply;
  }
  static Reply finish(HttpReply& reply) {
    if (auto* deferred = std::get_if<std::unique_ptr<HttpDeferred>>(&reply)) {
      std::optional<HttpResponse> response;
      while (!(response = (*deferred)->advance())) std::this_thread::yield();
      return {response->status, response->body, response->headers};
    }
    if (auto* stream = std::get_if<std::unique_ptr<HttpStream>>(&reply)) {
      Reply read{200, "", {}};
      while ((*stream)->advance(read.body) != HttpStream::Progress::kDone) std::this_thread::yield();
      return read;
    }
    const auto& response = std::get<HttpResponse>(reply);
    return {response.status, response.body, response.headers};
  }
  Reply send(const HttpRequest& request) {
    HttpReply reply = begin(request);
    return finish(reply);
  }
  Reply ask(std::string_view secret, std::string_view content, const json& more = json::object()) {
    return send(post(secret, body_of(content, more)));
  }
  Reply get(std::string_view secret, const std::string& path) {
    HttpRequest request = post(secret, "");
    request.method = "GET";
    request.path = path;
    return send(request);
  }

  // The entries that closed holds, oldest first, once none is open.
  std::vector<Entry> closed() {
    EXPECT_TRUE(eventually([&] {
      bool has_open = true;
      EXPECT_TRUE(ledger->look([&](const LedgerState& state) { has_open = !state.open_holds().empty(); }).ok());
      return !has_open;
    }));
    std::vector<Entry> entries;
    EXPECT_TRUE(ledger
                    ->read([&](const Entry& entry) -> Status {
                      if (entry.hold_id != 0) entries.push_back(entry);
                      return {};
                    })
                    .ok());
    EXPECT_TRUE(ledger->verify().ok());
    return entries;
  }
  static bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  const TempFolder folder;
  std::unique_ptr<ScriptModel> model;
  BreakableLedger* ledger = nullptr;
  std::unique_ptr<Accounts> accounts;
  std::unique_ptr<ApiServer> api;
  std::int64_t account = 0;  // that of the newest key
  int n_accounts = 0;
};

}  // namespace r1
