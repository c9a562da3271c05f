// operator_test.cpp: what is the operator's: to know how the server does, and that nobody has a model loaded who can't
// pay.
#include "serve/accounts_fixture_for_tests.h"

namespace r1 {
namespace {

class OperatorTest : public AccountsTest {
 protected:
  void serve(const std::string& token) {
    api = std::make_unique<ApiServer>(std::vector{model->served()}, AccessOptions{.operator_token = token},
                                      accounts.get());
  }
  // "r1" is loaded; "asleep" will be when somebody may ask for it, and is counted.
  void offer_one_asleep() {
    api = std::make_unique<ApiServer>(std::vector<ServedModel>(), AccessOptions{}, accounts.get());
    const auto load = [this]() -> Result<ServedModel> {
      ++n_loads;
      ServedModel loaded = model->served();
      loaded.name = "asleep";
      return loaded;
    };
    api->publish({{.name = "r1", .context_length = 8192, .load = nullptr, .loaded = model->served()},
                  {.name = "asleep", .context_length = 8192, .bytes = 1, .load = load}});
  }

  std::atomic<int> n_loads = 0;
};

TEST_F(OperatorTest, WithoutATokenStrangersLearnThatTheServerLives) {
  const NewKey key = make_key();
  for (const std::string& secret : {std::string(), key.secret}) {
    const Reply health = get(secret, "/health");
    EXPECT_EQ(health.status, 200);
    EXPECT_EQ(health.body_json(), (json{{"status", "ok"}, {"state", "ready"}})) << "no names, no numbers";
    const Reply metrics = get(secret, "/metrics");
    EXPECT_EQ(metrics.status, 403);
    EXPECT_NE(metrics.body.find("--operator-token-file"), std::string::npos);
    EXPECT_EQ(get(secret, "/ready").status, 200);
  }
  start(KeyRule::kOptional);
  EXPECT_EQ(get("", "/health").body_json()["models"][0]["id"], "r1") << "where anybody may use it";
  EXPECT_EQ(get("", "/metrics").status, 200);
}

TEST_F(OperatorTest, TheOperatorsTokenOpensHealthAndMetricsAndNothingElse) {
  const std::string token = "0123456789abcdef";
  const NewKey key = make_key();
  for (const KeyRule rule : {KeyRule::kRequired, KeyRule::kOptional}) {
    start(rule);
    serve(token);
    EXPECT_EQ(get(token, "/health").body_json()["models"][0]["id"], "r1");
    EXPECT_NE(get(token, "/metrics").body.find("r1_model_loaded{model=\"r1\"} 1"), std::string::npos);
    for (const std::string& wrong : {std::string(), key.secret, token + "0", token.substr(1)}) {
      EXPECT_FALSE(get(wrong, "/health").body_json().contains("models")) << wrong;
      const Reply refused = get(wrong, "/metrics");
      EXPECT_EQ(refused.status, 401) << wrong;
      EXPECT_EQ(refused.header("WWW-Authenticate"), "Bearer");
    }
    EXPECT_EQ(ask(token, "hi").status, 401) << "it is no key";
    EXPECT_EQ(get(token, "/v1/models").status, 401);
  }
}

// The path that was parsed decides, and no other spelling of it: what is not a route is nothing.
TEST_F(OperatorTest, NoSpellingOfAPathGoesAroundTheKey) {
  for (const char* path :
       {"/v1/models",     "//v1/models",   "/v1//models",   "/v1/./models",      "/health/../v1/models",
        "/%76%31/models", "/v1%2fmodels",  "/V1/models",    "/v1/models/",       "/v1/models;x",
        "/v1/models%00",  "/ready/models", "/v1/models/r1", "/beta/models/%721", "/v1/../metrics",
        "/health/",       "/%68ealth",     "/METRICS",      "\\v1\\models",      ""}) {
    const Reply reply = get("", path);
    EXPECT_TRUE(reply.status == 401 || reply.status == 404) << path << ": " << reply.status;
    EXPECT_EQ(reply.body.find("deepseek"), std::string::npos) << path;
    EXPECT_EQ(reply.body.find("\"r1\""), std::string::npos) << path;
  }
  for (const char* host :
       {"evil/#", "localhost@evil", "evil.example/localhost", "[::1].evil", "127.0.0.1.evil", "localhost/..", "#"}) {
    HttpRequest request = post("", body_of("hi"));
    request.headers[0].value = host;
    EXPECT_EQ(send(request).status, 421) << host;
  }
}

TEST_F(OperatorTest, WhoCantPayHasNoModelLoaded) {
  const NewKey rich = make_key(), poor = make_key({}, 1), stingy = make_key({.budget_nanousd = 1}),
               other = make_key({.models = {"r1"}}), rare = make_key({.requests_per_minute = 1});
  offer_one_asleep();
  EXPECT_EQ(ask(rare.secret, "hi").status, 200);
  const auto status = [&](const NewKey& key, json more = json::object()) {
    more["model"] = "asleep";
    return ask(key.secret, "hi", more).status;
  };
  EXPECT_EQ(status(poor), 402);
  EXPECT_EQ(status(poor, {{"max_tokens", 1}, {"stream", true}}), 402);
  EXPECT_EQ(status(stingy), 402);
  EXPECT_EQ(status(other), 403);
  EXPECT_EQ(status(rare), 429);
  ledger->is_broken = true;
  EXPECT_EQ(status(rich), 503);
  ledger->is_broken = false;
  EXPECT_EQ(n_loads, 0);
  // It pays for a short answer and not for a context full; what is certain to be too dear loads nothing either.
  const NewKey some = make_key({}, 100 * 2190);
  EXPECT_EQ(status(some), 402);
  EXPECT_EQ(n_loads, 0);
  EXPECT_EQ(status(some, {{"max_tokens", 20}}), 200);
  EXPECT_EQ(n_loads, 1);
}

TEST_F(OperatorTest, ARepeatNeedsNoModel) {
  const NewKey key = make_key();
  const auto repeat = [&](const char* content) {
    return send(post(key.secret, body_of(content, {{"max_tokens", 50}}), {{"Idempotency-Key", "once"}}));
  };
  const Reply first = repeat("hi");
  EXPECT_EQ(first.status, 200);
  closed();
  const auto load = [this]() -> Result<ServedModel> {
    ++n_loads;
    return model->served();
  };
  // Its answer is kept by the accounts; the model has been unloaded since.
  ServedModel other = model->served();
  other.name = "other";
  api = std::make_unique<ApiServer>(std::vector<ServedModel>(), AccessOptions{}, accounts.get());
  api->publish({{.name = "r1", .context_length = 8192, .bytes = 1, .load = load},
                {.name = "other", .context_length = 8192, .load = nullptr, .loaded = other}});
  EXPECT_EQ(repeat("hi").body, first.body);
  EXPECT_EQ(repeat("ho").status, 422);
  EXPECT_EQ(n_loads, 0);
}

}  // namespace
}  // namespace r1
