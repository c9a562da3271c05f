// prefix_reuse_test.cpp: what a conversation's next turn finds in the prefix cache, R1's template between text and
// engine.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/model_engine.h"
#include "tests/vocabularies.h"
#include "text/chat_template.h"
#include "text/r1_chat_template.h"

namespace r1 {
namespace {

std::vector<int> rendered(const ChatTemplate& chat, const std::vector<ChatMessage>& messages) {
  return chat.render(messages).value().ids;
}

Usage answered(ModelEngine& engine, std::vector<int> prompt) {
  TokenStream stream = *engine.submit({.prompt = std::move(prompt), .sampling = {.temperature = 0}, .max_tokens = 100});
  while (true) {
    const StreamEvent event = stream.next();
    if (event.finish) return event.finish->usage;
  }
}

int common_prefix(const std::vector<int>& a, const std::vector<int>& b) {
  return static_cast<int>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

class PrefixReuse : public testing::TestWithParam<const char*> {};

// A turn's prompt is the one before it up to <think>, then the answer without what was thought before it: all that was
// asked before is found, in whole blocks; the answer is computed once more, since it now follows another beginning.
TEST_P(PrefixReuse, ALaterTurnFindsAllEarlierPromptsThoughTheirThinkingIsDropped) {
  const Model model = load_model(std::string(R1_SOURCE_DIR "/tests/data/tiny/") + GetParam()).value();
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(small_vocabulary()).value();
  const ChatTemplate chat = ChatTemplate::detect(kR1ChatTemplate, tokenizer).value();
  const auto engine = ModelEngine::start(model, {.context_length = 2048, .kv_dtype = Dtype::kF32}).value();

  std::vector<ChatMessage> messages = {{"system", std::string(300, 's'), {}}, {"user", std::string(200, 'q'), {}}};
  std::vector<int> before = rendered(chat, messages);
  EXPECT_EQ(answered(*engine, before).cached_tokens, 0);
  for (int turn = 2; turn <= 4; ++turn) {
    messages.push_back({"assistant", "<think>\n" + std::string(150, 't') + "</think>" + std::string(40, 'a'), {}});
    messages.push_back({"user", std::string(60, static_cast<char>('a' + turn)), {}});
    const std::vector<int> prompt = rendered(chat, messages);
    const int n_common = common_prefix(before, prompt);
    EXPECT_GE(n_common, static_cast<int>(before.size()) - 2) << "all but <think> and what follows it";
    const Usage usage = answered(*engine, prompt);
    EXPECT_EQ(usage.cached_tokens, n_common / KvCache::kBlockTokens * KvCache::kBlockTokens);
    EXPECT_GT(usage.cached_tokens * 10, usage.prompt_tokens * 7) << "of the turn's prompt at least 70 %";
    before = prompt;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, PrefixReuse, testing::Values("v3_yarn_f32", "qwen2_tied"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace r1
