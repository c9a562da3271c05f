// kept_answers_test.cpp: what is kept, for whom, and for how long.
#include "serve/kept_answers.h"

#include <gtest/gtest.h>

#include <memory>

namespace r1 {
namespace {

using Request = KeptAnswers::Request;

std::string body_of(const HttpReply& reply) { return std::get<HttpResponse>(reply).body; }

class Piecewise final : public HttpStream {
 public:
  explicit Piecewise(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  Progress advance(std::string& out) override {
    out += pieces_[next_++];
    return next_ == pieces_.size() ? Progress::kDone : Progress::kMore;
  }
  void interrupt(std::string& out) override { out += "cut"; }

 private:
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
};

std::string read(HttpReply& reply) {
  std::string text;
  HttpStream& stream = *std::get<std::unique_ptr<HttpStream>>(reply);
  while (stream.advance(text) != HttpStream::Progress::kDone) {
  }
  return text;
}

TEST(KeptAnswers, OnlyTheSameRequestOfTheSameAccountGetsTheAnswer) {
  KeptAnswers kept;
  kept.store({1, "key", "digest"}, /*is_stream=*/false, "body");
  EXPECT_EQ(body_of(*kept.find({1, "key", "digest"})), "body");
  EXPECT_FALSE(kept.find({2, "key", "digest"}).has_value());
  EXPECT_FALSE(kept.find({1, "other", "digest"}).has_value());
  EXPECT_EQ(std::get<HttpResponse>(*kept.find({1, "key", "other"})).status, 422);
}

TEST(KeptAnswers, AStreamIsKeptWhenItIsComplete) {
  KeptAnswers kept;
  const std::string long_event = "data: " + std::string(40'000, 'x') + "\n\n";
  HttpReply whole =
      kept.keep({1, "a", "d"}, std::make_unique<Piecewise>(std::vector<std::string>{long_event, "data: [DONE]\n\n"}));
  HttpReply broken =
      kept.keep({1, "b", "d"}, std::make_unique<Piecewise>(std::vector<std::string>{long_event, "data: {}\n\n"}));
  EXPECT_FALSE(kept.find({1, "a", "d"}).has_value());
  const std::string text = read(whole);
  read(broken);
  auto again = kept.find({1, "a", "d"});
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(read(*again), text);
  EXPECT_FALSE(kept.find({1, "b", "d"}).has_value());
}

TEST(KeptAnswers, TheOldestMakeRoomAndTheLargestAreNotKept) {
  KeptAnswers kept;
  const std::string large(KeptAnswers::kAnswerBytesMax, 'x');
  constexpr int kFit = KeptAnswers::kBytesMax / KeptAnswers::kAnswerBytesMax;
  for (int i = 0; i <= kFit; ++i) kept.store({1, std::to_string(i), "d"}, false, large);
  EXPECT_FALSE(kept.find({1, "0", "d"}).has_value());
  EXPECT_TRUE(kept.find({1, "1", "d"}).has_value());
  for (int i = 0; i < 3; ++i) kept.store({1, "1", "d"}, false, large);
  EXPECT_TRUE(kept.find({1, "2", "d"}).has_value()) << "one that is stored again takes no more room";
  kept.store({1, "huge", "d"}, false, large + "x");
  EXPECT_FALSE(kept.find({1, "huge", "d"}).has_value());
}

}  // namespace
}  // namespace r1
