// accounts_test.cpp: keys, reservations and settlements as a client and the ledger see them. The engine is scripted.
#include "serve/accounts_fixture_for_tests.h"

namespace r1 {
namespace {

TEST_F(AccountsTest, OnlyAGoodKeyIsLetIn) {
  const NewKey good = make_key(), revoked = make_key(), expired = make_key({.expires_unix_ms = 1});
  ASSERT_TRUE(ledger->revoke_key(revoked.id).ok());
  const Reply none = ask("", "hi");
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.body_json()["error"]["type"], "authentication_error");
  EXPECT_EQ(none.header("WWW-Authenticate"), "Bearer");
  for (const std::string& secret :
       {revoked.secret, expired.secret, good.secret + "0", std::string("' OR 1=1--"), std::string(10'000, 'x')}) {
    EXPECT_EQ(ask(secret, "hi").status, 401) << secret.substr(0, 80);
    EXPECT_EQ(send(post(secret, "not JSON")).status, 401) << "nothing is read before the key";
    for (const char* path : {"/models", "/v1/models/r1", "/beta/user/balance"})
      EXPECT_EQ(get(secret, path).status, 401) << path;
  }
  const std::string refused = ask(revoked.secret, "hi").body;
  EXPECT_NE(refused.find("****" + revoked.secret.substr(revoked.secret.size() - 4)), std::string::npos) << refused;
  EXPECT_EQ(refused.find(revoked.secret), std::string::npos);
  HttpRequest basic = post("", body_of("hi"), {{"Authorization", "Basic " + good.secret}});
  EXPECT_EQ(send(basic).status, 401);
  EXPECT_EQ(ask(good.secret, "hi").status, 200);
  EXPECT_EQ(get("", "/health").status, 200);
}

TEST_F(AccountsTest, AKeySeesTheModelsThatItIsFor) {
  const NewKey all = make_key(), one = make_key({.models = {"r1", "elsewhere"}}),
               none = make_key({.models = {"other"}});
  const auto listed = [&](const NewKey& key) { return get(key.secret, "/v1/models").body_json()["data"].size(); };
  EXPECT_EQ(listed(all), 1U);
  EXPECT_EQ(listed(one), 1U);
  EXPECT_EQ(listed(none), 0U);
  EXPECT_EQ(get(one.secret, "/models/r1").status, 200);
  EXPECT_EQ(get(none.secret, "/models/r1").status, 404);
  ASSERT_TRUE(ledger->limit_key(none.id, {}).ok());
  EXPECT_EQ(listed(none), 1U) << "from the next request on";
}

TEST_F(AccountsTest, WhereNoKeyIsNeededNobodyIsNotCharged) {
  start(KeyRule::kOptional);
  const NewKey key = make_key();
  EXPECT_EQ(ask("", "hi").status, 200);
  EXPECT_TRUE(closed().empty());
  EXPECT_EQ(ask("none", "hi").status, 401) << "a key that is sent must be a good one";
  EXPECT_EQ(ask(key.secret, "hi").status, 200);
  EXPECT_EQ(closed().size(), 1u);
}

TEST_F(AccountsTest, WhatTheClientIsToldIsSettled) {
  const NewKey key = make_key();
  for (const bool stream : {false, true}) {
    const Reply reply = ask(key.secret, "hi", {{"stream", stream}, {"n", 2}, {"max_tokens", 50}});
    ASSERT_EQ(reply.status, 200);
    std::string last = reply.body;
    if (stream) {
      ASSERT_TRUE(last.ends_with("\n\ndata: [DONE]\n\n")) << last;
      last.resize(last.size() - std::string("\n\ndata: [DONE]\n\n").size());
      last = last.substr(last.rfind("data: ") + 6);
    }
    const json usage = json::parse(last)["usage"];
    // Durable before the client is told: no waiting here.
    Entry entry;
    ASSERT_TRUE(ledger
                    ->read([&](const Entry& each) -> Status {
                      entry = each;
                      return {};
                    })
                    .ok());
    EXPECT_EQ(entry.kind, EntryKind::kSettle);
    EXPECT_EQ(entry.tokens.prompt, usage["prompt_tokens"]);
    EXPECT_EQ(entry.tokens.cached, usage["prompt_cache_hit_tokens"]);
    EXPECT_EQ(entry.tokens.cached, 3);
    EXPECT_EQ(entry.tokens.completion, usage["completion_tokens"]);
    EXPECT_EQ(entry.amount_nanousd, 550 * (entry.tokens.prompt - 3) + 140 * 3 + 2190 * entry.tokens.completion);
  }
  EXPECT_EQ(closed().size(), 2u);
}

TEST_F(AccountsTest, TheWorstCaseIsReserved) {
  const NewKey key = make_key();
  const HttpReply bounded = begin(post(key.secret, body_of("wait", {{"max_tokens", 10}, {"n", 3}})));
  const HttpReply unbounded = begin(post(key.secret, body_of("wait")));
  std::vector<MeteredTokens> held;
  ASSERT_TRUE(ledger
                  ->look([&](const LedgerState& state) {
                    for (const auto& [id, hold] : state.open_holds()) held.push_back(hold.tokens_max);
                  })
                  .ok());
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held[0], (MeteredTokens{9, 0, 30}));
  EXPECT_EQ(held[1], (MeteredTokens{9, 0, 4096 - 9}));
}

TEST_F(AccountsTest, AStopStringEndsTheBillToo) {
  const NewKey key = make_key();
  const Reply reply = ask(key.secret, "stop", {{"stop", "STOP"}});
  const std::vector<Entry> entries = closed();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].tokens.completion, reply.body_json()["usage"]["completion_tokens"]);
}

TEST_F(AccountsTest, MoneyAdmitsExactlyWhatItPaysFor) {
  const std::int64_t cost = 550 * 9 + 2190 * 100;
  const NewKey key = make_key({}, 7 * cost + cost - 1);
  std::vector<HttpReply> running;
  for (int i = 0; i < 20; ++i) running.push_back(begin(post(key.secret, body_of("wait", {{"max_tokens", 100}}))));
  int n_admitted = 0;
  for (HttpReply& reply : running) {
    if (!std::holds_alternative<HttpResponse>(reply)) {
      ++n_admitted;
      continue;
    }
    const Reply refused = finish(reply);
    EXPECT_EQ(refused.status, 402);
    EXPECT_TRUE(std::string(refused.body_json()["error"]["message"]).starts_with("Insufficient Balance"));
  }
  EXPECT_EQ(n_admitted, 7);
  running.clear();
  for (const Entry& entry : closed()) EXPECT_EQ(entry.kind, EntryKind::kVoid);
  EXPECT_EQ(ask(key.secret, "hi", {{"max_tokens", 100}}).status, 200) << "what was held is free again";
}

TEST_F(AccountsTest, LimitsOfAKeyAreRefusedInDeepSeeksCodes) {
  const auto refused = [&](const KeyLimits& limits, int n_before) {
    const NewKey key = make_key(limits);
    for (int i = 0; i < n_before; ++i) EXPECT_EQ(ask(key.secret, "hi", {{"max_tokens", 50}}).status, 200);
    return ask(key.secret, "hi", {{"max_tokens", 50}});
  };
  EXPECT_EQ(refused({.budget_nanousd = 100'000}, 0).status, 402);
  const Reply elsewhere = refused({.models = {"other"}}, 0);
  EXPECT_EQ(elsewhere.status, 403);
  EXPECT_EQ(elsewhere.body_json()["error"]["param"], "model");
  for (const KeyLimits& limits : {KeyLimits{.requests_per_minute = 2}, KeyLimits{.tokens_per_minute = 80}}) {
    const Reply rate = refused(limits, 2);
    EXPECT_EQ(rate.status, 429);
    EXPECT_EQ(rate.body_json()["error"]["type"], "rate_limit_error");
    EXPECT_GE(std::stoi(rate.header("Retry-After")), 1);
    EXPECT_LE(std::stoi(rate.header("Retry-After")), 60);
  }
  const NewKey one_at_a_time = make_key({.max_concurrent = 1});
  HttpReply running = begin(post(one_at_a_time.secret, body_of("wait")));
  const Reply second = ask(one_at_a_time.secret, "hi");
  EXPECT_EQ(second.status, 429);
  EXPECT_EQ(second.header("Retry-After"), "1");
  running = HttpResponse{};
  closed();
  EXPECT_EQ(ask(one_at_a_time.secret, "hi").status, 200);
}

TEST_F(AccountsTest, AClientThatLeavesPaysForWhatWasProduced) {
  const NewKey key = make_key();
  for (const bool stream : {false, true}) {
    const std::int64_t before = model->engine().stats().completion_tokens;
    HttpReply reply = begin(post(key.secret, body_of("stall", {{"stream", stream}})));
    EXPECT_TRUE(eventually([&] { return model->engine().stats().completion_tokens >= before + 3; }));
    std::string read;
    if (stream) {
      while (read.find("three") == std::string::npos) std::get<std::unique_ptr<HttpStream>>(reply)->advance(read);
    }
    reply = HttpResponse{};
    const Entry entry = closed().back();
    EXPECT_EQ(entry.kind, EntryKind::kSettle);
    EXPECT_EQ(entry.tokens, (MeteredTokens{10, 4, 3}));
  }
  HttpReply waiting = begin(post(key.secret, body_of("wait")));
  waiting = HttpResponse{};
  const Entry entry = closed().back();
  EXPECT_EQ(entry.kind, EntryKind::kVoid);
  EXPECT_EQ(entry.detail, "nothing was produced");
}

TEST_F(AccountsTest, AClientThatLeavesWhileTheLedgerIsAskedOwesNothing) {
  const NewKey key = make_key();
  for (int i = 0; i < 50; ++i) {
    HttpReply reply = api->handle(post(key.secret, body_of("hi")), HttpWaker(nullptr));
    auto* asked = std::get_if<std::unique_ptr<HttpPending>>(&reply);
    ASSERT_NE(asked, nullptr);
    std::optional<HttpReply> next;
    while (!(next = (*asked)->advance())) std::this_thread::yield();
    // `next` waits for the reservation and is dropped at whatever moment that is.
  }
  for (const Entry& entry : closed()) EXPECT_EQ(entry.kind, EntryKind::kVoid);
  EXPECT_EQ(closed().size(), 50u);
}

TEST_F(AccountsTest, WhatFailsIsChargedOnlyIfItWasDelivered) {
  const NewKey key = make_key();
  EXPECT_EQ(ask(key.secret, "fail").status, 500);
  Entry entry = closed().back();
  EXPECT_EQ(entry.kind, EntryKind::kVoid);
  EXPECT_EQ(entry.detail, "not delivered: the engine failed");
  EXPECT_EQ(ask(key.secret, "fail", {{"stream", true}}).body.find("[DONE]"), std::string::npos);
  entry = closed().back();
  EXPECT_EQ(entry.kind, EntryKind::kSettle);
  EXPECT_EQ(entry.tokens.completion, 2);
}

TEST_F(AccountsTest, AStoppingServerSettlesStreamsAndVoidsTheRest) {
  const NewKey key = make_key();
  HttpReply stream = begin(post(key.secret, body_of("stall", {{"stream", true}})));
  HttpReply whole = begin(post(key.secret, body_of("stall")));
  EXPECT_TRUE(eventually([&] { return model->engine().stats().completion_tokens >= 6; }));
  std::string read;
  std::get<std::unique_ptr<HttpStream>>(stream)->interrupt(read);
  EXPECT_EQ(std::get<std::unique_ptr<HttpDeferred>>(whole)->interrupt().status, 503);
  stream = HttpResponse{};
  whole = HttpResponse{};
  for (const Entry& entry : closed()) {
    if (entry.kind == EntryKind::kSettle)
      EXPECT_EQ(entry.tokens, (MeteredTokens{10, 4, 3}));
    else
      EXPECT_EQ(entry.detail, "not delivered: the server stopped");
  }
  EXPECT_EQ(closed().size(), 2u);
}

TEST_F(AccountsTest, TheEnginesEndSettlesWhatItHasProduced) {
  const NewKey key = make_key();
  HttpReply stream = begin(post(key.secret, body_of("stall", {{"stream", true}})));
  EXPECT_TRUE(eventually([&] { return model->engine().stats().completion_tokens >= 3; }));
  api.reset();
  model.reset();
  stream = HttpResponse{};
  const std::vector<Entry> entries = closed();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].tokens, (MeteredTokens{10, 4, 3}));
}

TEST_F(AccountsTest, ARepeatIsNotChargedAgain) {
  const NewKey key = make_key();
  const auto repeat = [&](const std::string& content) {
    return send(post(key.secret, body_of(content), {{"Idempotency-Key", "order 66"}}));
  };
  HttpReply first = begin(post(key.secret, body_of("wait"), {{"Idempotency-Key", "order 66"}}));
  const Reply running = repeat("wait");
  EXPECT_EQ(running.status, 409);
  EXPECT_EQ(running.header("Retry-After"), "1");
  first = HttpResponse{};
  closed();
  EXPECT_EQ(repeat("hi").status, 200) << "after a void it may come again";
  EXPECT_EQ(repeat("hi").header("Idempotent-Replayed"), "true");
  EXPECT_EQ(repeat("ho").status, 422) << "another request of the same size";
  EXPECT_EQ(repeat("something longer").status, 422);
  EXPECT_EQ(send(post(key.secret, body_of("hi"), {{"Idempotency-Key", std::string(300, 'x')}})).status, 400);
  EXPECT_EQ(closed().size(), 2u) << "a void and a settlement";
}

TEST_F(AccountsTest, OfAHundredRepeatsAtOnceOneRunsAndIsCharged) {
  const NewKey key = make_key();
  const HttpRequest request = post(key.secret, body_of("hi"), {{"Idempotency-Key", "order 67"}});
  std::vector<HttpReply> replies;
  for (int i = 0; i < 100; ++i) replies.push_back(begin(request));
  std::vector<Reply> answers;
  for (HttpReply& reply : replies) {
    const bool is_refused = std::holds_alternative<HttpResponse>(reply);
    const Reply read = finish(reply);
    EXPECT_EQ(read.status, is_refused ? 409 : 200);
    if (!is_refused) answers.push_back(read);
  }
  ASSERT_EQ(answers.size(), 1u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(send(request).body, answers[0].body);
  EXPECT_EQ(closed().size(), 1u);
}

TEST_F(AccountsTest, ARepeatGetsTheSameAnswerWhileItIsKept) {
  const NewKey key = make_key();
  for (const bool stream : {false, true}) {
    const HttpRequest request =
        post(key.secret, body_of("hi", {{"stream", stream}}), {{"Idempotency-Key", stream ? "a stream" : "a body"}});
    const Reply first = send(request), again = send(request);
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.body, first.body);
  }
  EXPECT_EQ(closed().size(), 2u);
  start(KeyRule::kRequired);  // which the ledger outlives, but not the answers
  const Reply later = send(post(key.secret, body_of("hi", {{"stream", false}}), {{"Idempotency-Key", "a body"}}));
  EXPECT_EQ(later.status, 409);
  EXPECT_EQ(later.body_json()["error"]["code"], "already_answered");
  EXPECT_EQ(later.header("x-should-retry"), "false");
}

TEST_F(AccountsTest, AnAnswerThatCameToItsLimitIsKeptInEveryDialect) {
  const NewKey key = make_key();
  const std::pair<std::string, std::string> asked[] = {
      {"/v1/chat/completions", R"({"max_tokens": 3, "messages": [{"role": "user", "content": "hi"}], "stream": )"},
      {"/v1/messages", R"({"max_tokens": 3, "messages": [{"role": "user", "content": "hi"}], "stream": )"},
      {"/v1/responses", R"({"max_output_tokens": 3, "input": "hi", "stream": )"}};
  for (const auto& [path, body] : asked) {
    for (const std::string stream : {"false", "true"}) {
      HttpRequest request = post(key.secret, body + stream + "}", {{"Idempotency-Key", path + stream}});
      request.path = path;
      const Reply first = send(request), again = send(request);
      EXPECT_EQ(again.status, 200) << path << " " << again.body;
      EXPECT_EQ(again.body, first.body);
    }
  }
  EXPECT_EQ(closed().size(), 6u);
}

TEST_F(AccountsTest, TheBalanceIsInDeepSeeksForm) {
  const NewKey key = make_key({}, 12'349'999'999);
  for (const char* path : {"/user/balance", "/v1/user/balance", "/beta/user/balance"}) {
    EXPECT_EQ(get(key.secret, path).body_json(),
              json::parse(R"({"is_available": true, "balance_infos": [{"currency": "USD", "total_balance": "12.34",
                                "granted_balance": "0.00", "topped_up_balance": "12.34"}]})"));
  }
  const NewKey poor = make_key({}, 1);
  EXPECT_EQ(ask(poor.secret, "hi").status, 402);
  EXPECT_EQ(get(poor.secret, "/user/balance").body_json()["balance_infos"][0]["total_balance"], "0.00");
  account = *ledger->create_account("debtor", AccountKind::kMetered);
  const NewKey debtor = *ledger->create_key(account, "key", {});
  EXPECT_EQ(ask(debtor.secret, "hi").status, 200);
  const json owed = get(debtor.secret, "/user/balance").body_json();
  EXPECT_EQ(owed["balance_infos"][0]["total_balance"], "-0.01") << "rounded down";
  EXPECT_EQ(owed["is_available"], true);
}

TEST_F(AccountsTest, ALedgerThatFailsServesNobodyAndLosesNothing) {
  const NewKey key = make_key();
  HttpReply stream = begin(post(key.secret, body_of("hi", {{"stream", true}})));
  HttpReply whole = begin(post(key.secret, body_of("hi")));
  ledger->is_broken = true;
  const Reply refused = ask(key.secret, "hi");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "5");
  EXPECT_EQ(refused.body.find("secret"), std::string::npos) << "why is for the log";
  EXPECT_EQ(finish(stream).body.find("[DONE]"), std::string::npos);
  EXPECT_EQ(finish(whole).status, 503);
  ledger->is_broken = false;
  EXPECT_EQ(ask(key.secret, "hi").status, 200);
  std::map<EntryKind, int> n;
  for (const Entry& entry : closed()) n[entry.kind] += 1;
  EXPECT_EQ(n, (std::map<EntryKind, int>{{EntryKind::kSettle, 2}, {EntryKind::kVoid, 1}})) << "the whole one is voided";
}

TEST_F(AccountsTest, OneAccountCannotSteerAnothersAnswer) {
  const NewKey mine = make_key(), other = make_key();
  HttpReply stream = begin(post(mine.secret, body_of("stall", {{"stream", true}})));
  std::string read;
  while (read.find("three") == std::string::npos) std::get<std::unique_ptr<HttpStream>>(stream)->advance(read);
  const std::string id = json::parse(read.substr(6, read.find("\n\n") - 6))["id"];
  const auto control = [&](std::string_view secret) {
    HttpRequest request = post(secret, json({{"id", id}, {"action", "end_thinking"}}).dump());
    request.path = "/v1/chat/completions/control";
    return send(request).status;
  };
  EXPECT_EQ(control(other.secret), 404);
  EXPECT_EQ(control(mine.secret), 200);
}

// The engine plays one answer at a time: who waits is taken in turn.
TEST_F(AccountsTest, AKeyWithManyRequestsDoesNotStarveAnother) {
  start(KeyRule::kRequired, R"({"parallel": 1, "queue": 1000, "answers": [
    {"when": "wait", "steps": [{"stall": true}]}, {"steps": [{"text": "x"}]}]})");
  const NewKey greedy = make_key({}, 1'000'000'000'000), modest = make_key();
  std::vector<HttpReply> greedy_replies;
  for (int i = 0; i < 500; ++i) greedy_replies.push_back(begin(post(greedy.secret, body_of("wait"))));
  HttpReply single = begin(post(modest.secret, body_of("hi")));
  // The first runs and never ends; when it is given up the second does, and then it is the other account's turn.
  greedy_replies[0] = HttpResponse{};
  EXPECT_TRUE(eventually([&] { return model->engine().stats().n_waiting == 499; }));
  greedy_replies[1] = HttpResponse{};
  auto& answer = *std::get<std::unique_ptr<HttpDeferred>>(single);
  EXPECT_TRUE(eventually([&] { return answer.advance().has_value(); })) << "it waits behind the other account's 500";
}

}  // namespace
}  // namespace r1
