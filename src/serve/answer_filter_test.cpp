// answer_filter_test.cpp: answers drawn at random under the filter, as by a model that knows nothing: each has the form
// that was asked for, behind its thought.
#include "serve/answer_filter.h"

#include <gtest/gtest.h>

#include <cmath>

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "serve/form_parameters.h"
#include "serve/parameters.h"
#include "tests/vocabularies.h"

namespace r1 {
namespace {

using Start = ReasoningSplitter::Start;

constexpr std::string_view kTools = R"("tools": [
  {"type": "function", "function": {"name": "get_weather", "strict": true, "parameters": {"type": "object", "properties":
    {"city": {"enum": ["Paris", "北京"]}, "days": {"type": "integer"}}, "required": ["city"], "additionalProperties": false}}},
  {"type": "function", "function": {"name": "now"}},
  {"type": "function", "function": {"name": "free", "parameters": {"type": "object", "minProperties": 1}}}])";

CompletionRequest read(const std::string& extra) {
  const std::string body = R"({"messages": [{"role": "user", "content": "json"}], )" + extra + "}";
  CompletionRequest request;
  const auto error = read_parameters(*parse_json(body, "body"), chat_parameters(), request);
  EXPECT_FALSE(error) << error->message;
  keep_schema_order(body, request);
  return request;
}

struct FilteredAnswer {
  std::string thinking, text, raw;
  std::vector<ToolCallDelta> calls;  // put together
};

class AnswerFilterTest : public testing::TestWithParam<bool> {
 protected:
  AnswerFilterTest() {
    Vocabulary vocabulary = small_vocabulary();
    for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id)
      if (vocabulary.tokens[id].starts_with("<｜tool"))
        vocabulary.kinds[id] = GetParam() ? TokenKind::kUserDefined : TokenKind::kUnused;
    tokenizer_.emplace(Tokenizer::from_vocabulary(std::move(vocabulary)).value());
  }

  std::shared_ptr<TokenMasks> masks(const CompletionRequest& request, Start start) {
    auto grammar = answer_grammar(request, kDeepSeekToolSyntax, *tokenizer_, start != Start::kAnswer);
    EXPECT_TRUE(grammar.ok()) << grammar.error().message;
    return std::make_shared<TokenMasks>(std::move(*grammar), std::make_shared<TokenTrie>(*tokenizer_));
  }

  // Scores that a model might give: random, with a taste for what ends things once the answer is long.
  std::vector<float> scores(int step, Rng& rng) const {
    std::vector<float> scores(static_cast<std::size_t>(tokenizer_->vocab_size()) + 3);
    for (float& score : scores) score = static_cast<float>(rng.uniform());
    if (step > 50)
      for (const char c : std::string_view("\n<}]\"`"))
        scores[static_cast<unsigned char>(c)] += c == '\n' ? 1 : c == '<' ? 1.5f : 3;
    if (step > 50 || rng.below(20) == 0) scores[static_cast<std::size_t>(tokenizer_->eos_id())] += 4;
    if (step > 50)
      if (const auto id = tokenizer_->find("<｜tool▁calls▁end｜>")) scores[static_cast<std::size_t>(*id)] += 3;
    return scores;
  }

  FilteredAnswer draw(const CompletionRequest& request, Start start, const std::shared_ptr<TokenMasks>& masks,
                      Rng& rng) {
    AnswerFilter filter(*tokenizer_, start, masks);
    AnswerStream stream(*tokenizer_, start);
    ToolCallParser parser(kDeepSeekToolSyntax);
    FilteredAnswer answer;
    const auto take = [&](const SplitText& split, bool is_end) {
      std::vector<ToolCallDelta> deltas;
      answer.thinking += split.thinking;
      answer.raw += split.answer;
      answer.text += parser.feed(split.answer, deltas);
      if (is_end) answer.text += parser.finish();
      for (ToolCallDelta& delta : deltas) {
        if (!delta.name.empty()) answer.calls.push_back({delta.index, delta.name, ""});
        answer.calls.back().arguments += delta.arguments;
      }
    };
    for (int step = 0; step < 4000; ++step) {
      std::vector<float> scores = this->scores(step, rng);
      if (stream.in_thinking() && step > 6) scores[static_cast<std::size_t>(*tokenizer_->find("</think>"))] += 9;
      if (filter.mask(scores) != TokenFilter::Verdict::kOpen) {
        ADD_FAILURE() << "stranded behind " << answer.raw;
        break;
      }
      const auto id = static_cast<int>(std::max_element(scores.begin(), scores.end()) - scores.begin());
      EXPECT_TRUE(stream.in_thinking() || id < tokenizer_->vocab_size()) << "padding is no token";
      filter.accept(id);
      take(stream.feed(id), false);
      if (!tokenizer_->ends_answer(id)) continue;  // where an engine stops, in a thought too
      take(stream.finish(), true);
      return answer;
    }
    ADD_FAILURE() << request.n << " no end: " << answer.raw;
    return answer;
  }

  std::optional<Tokenizer> tokenizer_;
};

void expect_valid_calls(const FilteredAnswer& answer) {
  for (const ToolCallDelta& call : answer.calls) {
    const Json arguments = Json::parse(call.arguments, nullptr, false);
    ASSERT_TRUE(arguments.is_object()) << call.arguments;
    if (call.name == "get_weather") {
      EXPECT_TRUE(arguments["city"] == "Paris" || arguments["city"] == "北京") << call.arguments;
      for (const auto& [key, value] : arguments.items())
        EXPECT_TRUE(key == "city" || (key == "days" && value.is_number_integer()));
    } else if (call.name == "now") {
      EXPECT_TRUE(arguments.empty());
    } else {
      EXPECT_EQ(call.name, "free");
    }
  }
}

TEST_P(AnswerFilterTest, JsonComesBehindTheThought) {
  Rng rng(1, GetParam() ? 1 : 0);
  const CompletionRequest schema =
      read(R"("response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema":
    {"type": "object", "properties": {"hello": {"type": "boolean"}}, "required": ["hello"]}}})");
  const CompletionRequest object = read(R"("response_format": {"type": "json_object"})");
  for (const Start start : {Start::kAnswer, Start::kThinking, Start::kInThought, Start::kUndecided}) {
    for (const CompletionRequest* request : {&schema, &object}) {
      const auto shared = masks(*request, start);
      for (int i = 0; i < 10; ++i) {
        const FilteredAnswer answer = draw(*request, start, shared, rng);
        const Json value = Json::parse(answer.text, nullptr, false);
        ASSERT_TRUE(value.is_object()) << answer.raw;
        if (request == &schema) {
          EXPECT_TRUE(value.size() == 1 && value["hello"].is_boolean()) << answer.text;
        }
        if (start == Start::kInThought) {
          EXPECT_FALSE(answer.thinking.empty());
        }
      }
    }
  }
}

TEST_P(AnswerFilterTest, AThoughtMayBeAllOnlyOfAnAnswerThatMayBeEmpty) {
  const auto masked = [&](const std::string& asked, Start start, const char* opening) {
    const CompletionRequest request = read(asked);
    AnswerFilter filter(*tokenizer_, start, masks(request, start));
    if (*opening != '\0') filter.accept(*tokenizer_->find(opening));
    std::vector<float> scores(static_cast<std::size_t>(tokenizer_->vocab_size()), 1.0f);
    EXPECT_EQ(filter.mask(scores), TokenFilter::Verdict::kOpen);
    return scores;
  };
  for (const auto& [start, opening] : {std::pair{Start::kThinking, ""}, std::pair{Start::kUndecided, "<think>"}}) {
    std::vector<float> expected(static_cast<std::size_t>(tokenizer_->vocab_size()), 1.0f);
    EXPECT_EQ(masked(std::string(kTools), start, opening), expected) << "text may be empty";
    expected[static_cast<std::size_t>(tokenizer_->eos_id())] = -INFINITY;
    EXPECT_EQ(masked(R"("response_format": {"type": "json_object"})", start, opening), expected);
    EXPECT_EQ(masked(std::string(kTools) + R"(, "tool_choice": "required")", start, opening), expected);
  }
}

TEST_P(AnswerFilterTest, RequiredCallsAreMadeAndValid) {
  Rng rng(2, GetParam() ? 1 : 0);
  int n_calls = 0, n_parallel = 0;
  for (const std::string choice : {R"("required")", R"({"type": "function", "function": {"name": "get_weather"}})"}) {
    for (const std::string parallel : {"true", "false"}) {
      const CompletionRequest request =
          read(std::string(kTools) + R"(, "tool_choice": )" + choice + R"(, "parallel_tool_calls": )" + parallel);
      for (const Start start : {Start::kAnswer, Start::kThinking, Start::kUndecided}) {
        const auto shared = masks(request, start);
        for (int i = 0; i < 6; ++i) {
          const FilteredAnswer answer = draw(request, start, shared, rng);
          ASSERT_FALSE(answer.calls.empty()) << answer.raw;
          EXPECT_EQ(answer.text, "") << answer.raw;
          EXPECT_TRUE(parallel == "true" || answer.calls.size() == 1);
          if (choice != R"("required")") {
            EXPECT_EQ(answer.calls[0].name, "get_weather");
          }
          expect_valid_calls(answer);
          n_calls += static_cast<int>(answer.calls.size());
          n_parallel += answer.calls.size() > 1 ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GT(n_calls, 72);
  EXPECT_GT(n_parallel, 0);
}

// Of free text, forced to open a call now and then: calls are valid, and without them no tag leaks.
TEST_P(AnswerFilterTest, FreeTextMayCallButNeverBreaksACall) {
  const CompletionRequest automatic = read(std::string(kTools)),
                          none = read(std::string(kTools) + R"(, "tool_choice": "none")");
  const std::string tag(kDeepSeekToolSyntax.opening_tag());
  for (const CompletionRequest* request : {&automatic, &none}) {
    GrammarMatcher matcher(masks(*request, Start::kAnswer));
    const std::string opening = marker_bytes(tag, *tokenizer_);
    for (const std::string text : {"Well < <｜tool ", "é\xE5\x8C", "<｜tool▁calls▁<"}) EXPECT_TRUE(matcher.take(text));
    EXPECT_TRUE(matcher.is_complete());
    const bool may_call = request == &automatic;
    EXPECT_EQ(matcher.take(opening), may_call);
    EXPECT_EQ(matcher.is_complete(), !may_call) << "an opened call must be finished";
    if (GetParam()) {
      EXPECT_FALSE(GrammarMatcher(masks(*request, Start::kAnswer)).take("x" + tag)) << "not in letters";
    }
    if (!may_call) continue;
    EXPECT_FALSE(matcher.take("x"));
    const std::string call =
        marker_bytes("<｜tool▁call▁begin｜>", *tokenizer_) + "function" + marker_bytes("<｜tool▁sep｜>", *tokenizer_);
    EXPECT_FALSE(matcher.take(call + "nobody"));
    EXPECT_TRUE(matcher.take(call + "now\n```json\n{}\n```" + marker_bytes("<｜tool▁call▁end｜>", *tokenizer_) +
                             marker_bytes("<｜tool▁calls▁end｜>", *tokenizer_)));
    EXPECT_TRUE(matcher.is_complete());
    EXPECT_FALSE(matcher.take("x"));
  }
}

TEST_P(AnswerFilterTest, JsonOrCalls) {
  Rng rng(4, GetParam() ? 1 : 0);
  const CompletionRequest request = read(std::string(kTools) + R"(, "response_format": {"type": "json_object"})");
  const auto shared = masks(request, Start::kAnswer);
  int n_json = 0, n_calls = 0;
  for (int i = 0; i < 40; ++i) {
    const FilteredAnswer answer = draw(request, Start::kAnswer, shared, rng);
    answer.calls.empty() ? ++n_json : ++n_calls;
    if (answer.calls.empty()) {
      EXPECT_TRUE(Json::parse(answer.text, nullptr, false).is_object()) << answer.raw;
    }
    expect_valid_calls(answer);
  }
  EXPECT_GT(n_json, 0);
  EXPECT_GT(n_calls, 0);
}

TEST_P(AnswerFilterTest, SchemasThatCantBeKeptAreRefusedWhereTheyBind) {
  const auto error_of = [&](const std::string& extra) {
    const auto grammar = answer_grammar(read(extra), kTaggedToolSyntax, *tokenizer_, false);
    return grammar.ok() ? "" : grammar.error().message;
  };
  const std::string begin = R"("tools": [{"type": "function", "function": {"name": "f", )";
  EXPECT_EQ(error_of(begin + R"("parameters": {"type": "object", "minProperties": 1}}}])"), "");
  EXPECT_EQ(error_of(begin + R"("strict": true, "parameters": {"type": "object", "minProperties": 1}}}])"),
            "'tools[0].function.parameters.minProperties' is not supported");
  EXPECT_NE(error_of(begin + R"("parameters": {"type": "string"}}}])").find("must be \"object\""), std::string::npos);
  EXPECT_NE(error_of(R"("response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}})")
                .find("'response_format.json_schema.schema.not'"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutToolTokens, AnswerFilterTest, testing::Bool());

TEST(AnswerGrammars, TheSameFormIsCompiledOnce) {
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(small_vocabulary()).value();
  const ChatTemplate chat = ChatTemplate::detect("", tokenizer).value();
  const ServedModel model{
      .name = "m", .engine = nullptr, .tokenizer = &tokenizer, .chat_template = &chat, .sampling = {}};
  AnswerGrammars grammars;
  const CompletionRequest object = read(R"("response_format": {"type": "json_object"})");
  const auto first = *grammars.find(model, object, true);
  EXPECT_EQ(*grammars.find(model, object, true), first);
  EXPECT_NE(*grammars.find(model, object, false), first);
  EXPECT_EQ(*grammars.find(model, read(R"("n": 2)"), true), nullptr);
  for (int i = 0; i < 20; ++i) {
    const CompletionRequest other =
        read(R"("response_format": {"type": "json_schema", "json_schema": {"schema": {"const": )" + std::to_string(i) +
             "}}}");
    ASSERT_TRUE(grammars.find(model, other, true).ok());
  }
  EXPECT_NE(*grammars.find(model, object, true), first) << "forgotten for newer ones";
}

}  // namespace
}  // namespace r1
