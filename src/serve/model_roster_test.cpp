// model_roster_test.cpp: who is loaded when, who leaves for whom, and what those who wait are told.
#include "serve/model_roster.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <thread>

#include "base/bounded_queue.h"

namespace r1 {
namespace {

// Models of stated sizes, whose loading is counted and can be held up.
class RosterTest : public ::testing::Test {
 protected:
  OfferedModel offer(const std::string& name, std::int64_t bytes) {
    return {.name = name, .context_length = 8, .bytes = bytes, .load = [this, name]() -> Result<ServedModel> {
              if (is_held_up) gate.pop();
              ++n_loads;
              if (name == "broken") return Error{ErrorCode::kIo, "no such file"};
              ++n_alive;
              std::shared_ptr<const void> keeps(new int(0), [this](const int* owned) {
                delete owned;
                --n_alive;
              });
              return ServedModel{.name = name, .engine = &engine, .keeps = std::move(keeps)};
            }};
  }

  void start(std::vector<std::pair<std::string, std::int64_t>> models, RosterOptions options = {}) {
    std::vector<OfferedModel> offers;
    for (const auto& [name, bytes] : models) offers.push_back(offer(name, bytes));
    options.now_ms = [this] { return now_ms; };
    roster = std::make_unique<ModelRoster>(std::move(offers), std::move(options));
  }

  std::shared_ptr<ModelRoster::Waiting> ask(std::string_view name) {
    return roster->wait_for(*roster->find(name), HttpWaker(nullptr));
  }
  Result<ServedModel> word_of(ModelRoster::Waiting& waiting) {
    while (!waiting.word) {
      roster->advance();
      std::this_thread::yield();
    }
    return *waiting.word;
  }
  Result<ServedModel> get(std::string_view name) { return word_of(*ask(name)); }
  std::string loaded() const {
    std::string names;
    for (const auto& entry : roster->entries())
      if (entry.state == ModelState::kLoaded) names += entry.offer.name;
    return names;
  }

  // An engine whose model's file may be cut short under it.
  class FragileEngine final : public Engine {
   public:
    Result<TokenStream> submit(GenerateRequest) override { return Error{ErrorCode::kIo, "broken"}; }
    int context_length() const override { return 8; }
    EngineStats stats() const override { return {}; }
    bool is_broken() const override { return breaks; }
    std::atomic<bool> breaks = false;
  };

  FragileEngine engine;
  std::atomic<int> n_loads = 0, n_alive = 0;
  std::atomic<bool> is_held_up = false;
  BoundedQueue<int> gate{16};
  std::int64_t now_ms = 1000;
  std::unique_ptr<ModelRoster> roster;  // last: its thread counts
};

TEST_F(RosterTest, ModelsAreLoadedWhenAskedForAndOnce) {
  start({{"a", 1}, {"b", 1}});
  EXPECT_EQ(loaded(), "");
  EXPECT_FALSE(roster->take(0));
  EXPECT_EQ(get("b")->name, "b");
  EXPECT_EQ(loaded(), "b");
  EXPECT_EQ(get("b")->name, "b");
  EXPECT_EQ(get("")->name, "a") << "no name: the first";
  EXPECT_EQ(n_loads, 2);
  EXPECT_EQ(roster->take(1)->name, "b");
  EXPECT_FALSE(roster->find("c"));
}

TEST_F(RosterTest, AllWhoWaitForOneLoadAreServed) {
  start({{"a", 1}, {"b", 1}});
  is_held_up = true;
  const auto first = ask("a"), second = ask("a");
  auto gone = ask("a");
  gone.reset();
  EXPECT_EQ(roster->entries()[0].state, ModelState::kLoading);
  EXPECT_TRUE(roster->is_loading());
  EXPECT_FALSE(first->word);
  gate.push(0);
  EXPECT_TRUE(word_of(*first).ok());
  EXPECT_TRUE(second->word && second->word->ok());
  EXPECT_EQ(n_loads, 1);
  EXPECT_FALSE(roster->is_loading());
}

TEST_F(RosterTest, TheOneUsedLongestAgoMakesRoom) {
  start({{"a", 4}, {"b", 4}, {"c", 4}}, {.bytes_max = 10});
  ASSERT_TRUE(get("a").ok());
  now_ms = 2000;
  ASSERT_TRUE(get("b").ok());
  now_ms = 3000;
  roster->take(0);  // a again
  ASSERT_TRUE(get("c").ok());
  EXPECT_EQ(loaded(), "ac");
  while (n_alive > 2) std::this_thread::yield();
  EXPECT_EQ(n_alive, 2);
}

TEST_F(RosterTest, NobodyLeavesInVain) {
  start({{"a", 4}, {"b", 4}, {"c", 9}}, {.bytes_max = 10});
  ASSERT_TRUE(get("a").ok());
  const Result<ServedModel> b = get("b");  // in use
  const auto c = ask("c");
  roster->advance();
  EXPECT_EQ(loaded(), "ab") << "without a there would still be no room for c";
}

TEST_F(RosterTest, OneInUseStaysAndWhoWaitsForItsPlaceIsToldInTheEnd) {
  start({{"a", 6}, {"b", 6}}, {.bytes_max = 10, .room_wait_ms = 500});
  std::optional<Result<ServedModel>> a = get("a");
  auto b = ask("b");
  now_ms += 499;
  roster->advance();
  EXPECT_FALSE(b->word);
  now_ms += 1;
  ASSERT_FALSE(word_of(*b).ok());
  EXPECT_EQ(b->word->error().code, ErrorCode::kOutOfResource);
  EXPECT_EQ(loaded(), "a");

  b = ask("b");
  a.reset();
  EXPECT_TRUE(word_of(*b).ok());
  EXPECT_EQ(loaded(), "b");
}

TEST_F(RosterTest, ASmallOneDoesNotOvertakeALargeOne) {
  start({{"a", 6}, {"b", 6}, {"c", 2}}, {.bytes_max = 10});
  std::optional<Result<ServedModel>> a = get("a");
  const auto b = ask("b"), c = ask("c");
  roster->advance();
  EXPECT_FALSE(c->word);
  EXPECT_EQ(n_loads, 1);
  a.reset();
  EXPECT_TRUE(word_of(*b).ok());
  EXPECT_TRUE(word_of(*c).ok());
}

TEST_F(RosterTest, ARequestThatHasLeftTakesNoRoom) {
  start({{"a", 6}, {"b", 6}}, {.bytes_max = 10});
  std::optional<Result<ServedModel>> a = get("a");
  ask("b").reset();
  a.reset();
  roster->advance();
  EXPECT_EQ(loaded(), "a");
  EXPECT_EQ(n_loads, 1);
}

TEST_F(RosterTest, OneThatIsLeftAndAskedForAgainIsLoadedOnce) {
  start({{"a", 6}, {"b", 6}, {"c", 2}, {"d", 1}}, {.bytes_max = 10});
  std::optional<Result<ServedModel>> a = get("a");
  const auto b = ask("b");
  ask("c").reset();
  const auto c = ask("c");
  a.reset();
  EXPECT_TRUE(word_of(*b).ok());
  EXPECT_TRUE(word_of(*c).ok());
  ASSERT_TRUE(get("d").ok()) << "behind all that was to be loaded";
  EXPECT_EQ(n_loads, 4);
}

TEST_F(RosterTest, OneLargerThanTheMemoryOfAllIsRefusedAtOnce) {
  start({{"a", 6}, {"b", 11}}, {.bytes_max = 10});
  const auto b = ask("b");
  ASSERT_TRUE(b->word);
  EXPECT_EQ(b->word->error().code, ErrorCode::kInvalidInput);
  EXPECT_NE(b->word->error().message.find("'b'"), std::string::npos);
}

TEST_F(RosterTest, AnIdleOneIsUnloadedAndComesAgain) {
  std::string forgotten;
  start({{"a", 1}, {"b", 1}},
        {.idle_ms = 100, .on_unload = [&](const ServedModel& model) { forgotten += model.name; }});
  ASSERT_TRUE(get("a").ok());
  std::optional<Result<ServedModel>> b = get("b");
  now_ms += 100;
  roster->advance();
  EXPECT_EQ(loaded(), "b") << "b is in use";
  EXPECT_EQ(forgotten, "a");
  b.reset();
  now_ms += 99;
  roster->advance();
  EXPECT_EQ(loaded(), "b") << "its idleness begins when its use ends";
  now_ms += 1;
  roster->advance();
  EXPECT_EQ(loaded(), "");
  EXPECT_TRUE(get("a").ok());
  EXPECT_EQ(n_loads, 3);
  EXPECT_EQ(roster->entries()[0].n_loads, 2);
}

TEST_F(RosterTest, ABrokenOneIsReadAnewOnceNobodyUsesIt) {
  start({{"a", 1}});
  Result<ServedModel> used = get("a");
  engine.breaks = true;
  roster->advance();
  EXPECT_EQ(loaded(), "a") << "somebody still holds it";
  used = Error{};
  roster->advance();
  EXPECT_EQ(loaded(), "");
  engine.breaks = false;
  EXPECT_TRUE(get("a").ok());
  EXPECT_EQ(n_loads, 2);
}

TEST_F(RosterTest, WhatCannotBeLoadedSaysSoAndMayBeTriedAgain) {
  start({{"broken", 1}});
  for (int i = 1; i <= 2; ++i) {
    const Result<ServedModel> word = get("broken");
    ASSERT_FALSE(word.ok());
    EXPECT_EQ(word.error().code, ErrorCode::kInternal);
    EXPECT_EQ(word.error().message.find("no such file"), std::string::npos) << "that is for the log";
    EXPECT_EQ(n_loads, i);
  }
}

TEST_F(RosterTest, AnEndLeavesNothingLoaded) {
  start({{"a", 1}, {"b", 1}});
  ASSERT_TRUE(get("a").ok());
  ASSERT_TRUE(get("b").ok());
  roster.reset();
  EXPECT_EQ(n_alive, 0);
}

}  // namespace
}  // namespace r1
