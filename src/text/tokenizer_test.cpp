// tokenizer_test.cpp: the laws of encoding and decoding, on a small vocabulary.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/vocabularies.h"

namespace r1 {
namespace {

Tokenizer small_tokenizer() { return Tokenizer::from_vocabulary(small_vocabulary()).value(); }

TEST(Tokenizer, DecodeGivesBackWhatWasEncoded) {
  for (int kind = 0; kind < kPreTokenizerKindCount; ++kind) {
    Vocabulary vocabulary = small_vocabulary();
    vocabulary.pre_tokenizer = static_cast<PreTokenizerKind>(kind);
    const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
    Rng rng(7, static_cast<std::uint64_t>(kind));
    for (int round = 0; round < 200; ++round) {
      for (const std::string& text : {random_unicode(rng, 30), random_bytes(rng, 60)}) {
        EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
        EXPECT_EQ(tokenizer.decode(tokenizer.encode_with_control_tokens(text), Tokenizer::ControlTokens::kShow), text);
      }
    }
  }
}

TEST(Tokenizer, UsersCannotTypeControlOrAddedTokens) {
  const Tokenizer tokenizer = small_tokenizer();
  for (int id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.kind(id) == TokenKind::kNormal) continue;
    for (const int piece : tokenizer.encode(tokenizer.token_bytes(id)))
      EXPECT_EQ(tokenizer.kind(piece), TokenKind::kNormal);
    EXPECT_EQ(tokenizer.encode_with_control_tokens(tokenizer.token_bytes(id)), std::vector<int>{id});
  }
}

TEST(Tokenizer, TheLongestControlTokenIsTaken) {
  Vocabulary vocabulary = small_vocabulary();
  const int first = static_cast<int>(vocabulary.tokens.size());
  for (const char* name : {"<a", "<a>", "<a>b", "<b"}) {
    vocabulary.tokens.push_back(name);
    vocabulary.kinds.push_back(TokenKind::kUserDefined);
  }
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
  const std::vector<int> expected = {first + 2, 'x', first + 1, first, '<', first + 3};
  EXPECT_EQ(tokenizer.encode_with_control_tokens("<a>bx<a><a<<b"), expected);
}

TEST(Tokenizer, DecodeLeavesControlTokensOutUnlessAsked) {
  const Tokenizer tokenizer = small_tokenizer();
  const std::vector<int> ids = tokenizer.encode_with_control_tokens("<｜User｜>hello<think>");
  EXPECT_EQ(tokenizer.decode(ids), "hello<think>");
  EXPECT_EQ(tokenizer.decode(ids, Tokenizer::ControlTokens::kShow), "<｜User｜>hello<think>");
}

TEST(Tokenizer, IdsBeyondTheVocabularyAreNothing) {
  const Tokenizer tokenizer = small_tokenizer();
  for (const int id : {-1, tokenizer.vocab_size(), INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(tokenizer.token_bytes(id), "");
    EXPECT_EQ(tokenizer.kind(id), TokenKind::kUnused);
    EXPECT_FALSE(tokenizer.ends_answer(id));
  }
  EXPECT_EQ(tokenizer.decode(std::vector<int>{'a', 1 << 30, 'b'}), "ab");
}

TEST(Tokenizer, BytesWithoutATokenAreLeftOut) {
  Vocabulary vocabulary = small_vocabulary();
  vocabulary.kinds[0xF5] = TokenKind::kUnused;  // like 21 bytes in SmolLM2
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a\xF5z")), "az");
}

TEST(Tokenizer, AddedTokensThatAreTextAreFoundInAnyText) {
  Vocabulary vocabulary = small_vocabulary();
  const int umlaut = static_cast<int>(vocabulary.tokens.size());
  vocabulary.tokens.insert(vocabulary.tokens.end(), {"ü", "[PAD9]"});  // as in deepseek-coder
  vocabulary.kinds.insert(vocabulary.kinds.end(), 2, TokenKind::kUserDefined);
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
  EXPECT_EQ(tokenizer.encode("Fü"), (std::vector<int>{'F', umlaut}));
  EXPECT_EQ(tokenizer.decode(std::vector<int>{'F', umlaut}), "Fü");
  EXPECT_EQ(tokenizer.encode("[PAD9]").size(), 6u);
}

TEST(Tokenizer, ThinkTagsAreTextWhateverAFileCallsThem) {
  Vocabulary vocabulary = small_vocabulary();
  for (TokenKind& kind : vocabulary.kinds) {
    if (kind == TokenKind::kUserDefined) kind = TokenKind::kControl;
  }
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
  EXPECT_EQ(tokenizer.decode(std::vector<int>{*tokenizer.find("</think>")}), "</think>");
}

TEST(Tokenizer, ComposedFormWhereTheVocabularySaysSo) {
  Vocabulary vocabulary = small_vocabulary();
  vocabulary.nfc = true;
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("e\u0301 \u1112\u1161\u11AB \u212B")), "\u00E9 \uD55C \u00C5");
  const std::string broken =
      "e\u0301\xFF"
      "e\u0301";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(broken)), "\u00E9\xFF\u00E9");
  std::string marks = "a";
  for (int i = 0; i < 500'000; ++i) marks += i % 2 == 0 ? "\u0301" : "\u0323";  // sorting these takes minutes
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(marks)), marks);
}

TEST(Tokenizer, ALongRunWithoutABreakTakesLinearTime) {
  Vocabulary vocabulary = small_vocabulary();
  vocabulary.pre_tokenizer = PreTokenizerKind::kDeepSeekLlm;
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
  constexpr std::size_t kBytes = 1 << 18;  // squared, minutes
  std::string cjk, spaces_then_digit(kBytes, ' ');
  spaces_then_digit.push_back('1');
  while (cjk.size() < kBytes) cjk += "中";
  for (const std::string& text : {spaces_then_digit, std::string(kBytes, 'a'), std::string(kBytes, '\n'),
                                  std::string(kBytes, '<'), std::string(kBytes, '\xFF'), cjk}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode_with_control_tokens(text)), text);
  }
}

TEST(Tokenizer, ABrokenVocabularyIsAnErrorThatNamesWhatIsWrong) {
  const auto error_of = [](auto&& spoil) {
    Vocabulary vocabulary = small_vocabulary();
    spoil(vocabulary);
    const Result<Tokenizer> tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary));
    return tokenizer.ok() ? std::string("no error") : tokenizer.error().message;
  };
  EXPECT_EQ(error_of([](Vocabulary& v) { v.tokens.clear(); }), "vocabulary: no tokens");
  EXPECT_NE(error_of([](Vocabulary& v) { v.kinds.pop_back(); }).find("kinds"), std::string::npos);
  EXPECT_NE(error_of([](Vocabulary& v) { v.bos_id = 1 << 30; }).find("BOS token id 1073741824"), std::string::npos);
  EXPECT_NE(error_of([](Vocabulary& v) { v.end_ids.push_back(-2); }).find("end token id -2"), std::string::npos);
  EXPECT_NE(error_of([](Vocabulary& v) { v.merges.push_back("q zz"); }).find("unknown token 'zz'"), std::string::npos);
  EXPECT_NE(error_of([](Vocabulary& v) { v.merges.push_back("q z"); }).find("'q z' makes an unknown token"),
            std::string::npos);
  for (const char* merge : {"", "q", "q z z", " "}) {
    EXPECT_NE(error_of([&](Vocabulary& v) { v.merges.push_back(merge); }), "no error") << merge;
  }
}

TEST(Tokenizer, ChangedVocabulariesNeverCrash) {
  Rng rng(13, 0);
  int n_loaded = 0;
  for (int round = 0; round < 400; ++round) {
    Vocabulary vocabulary = small_vocabulary();
    const std::size_t n = vocabulary.tokens.size();
    for (std::uint64_t changes = 1 + rng.below(4); changes > 0; --changes) {
      const std::size_t id = rng.below(n);
      const std::uint64_t choice = rng.below(6);
      if (choice == 0) vocabulary.tokens[id] = vocabulary.tokens[rng.below(n)];  // two tokens alike
      if (choice == 1) vocabulary.tokens[id] = random_bytes(rng, static_cast<int>(rng.below(6)));
      if (choice == 2) vocabulary.kinds[id] = static_cast<TokenKind>(rng.below(5));
      if (choice == 3) std::swap(vocabulary.merges[rng.below(9)], vocabulary.merges[rng.below(9)]);
      if (choice == 4) vocabulary.merges.push_back(vocabulary.tokens[id] + " " + vocabulary.tokens[rng.below(n)]);
      if (choice == 5) vocabulary.end_ids.push_back(static_cast<int>(rng.below(2 * n)) - 2);
    }
    const Result<Tokenizer> tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary));
    if (!tokenizer.ok()) continue;
    ++n_loaded;
    for (const int id : tokenizer.value().encode(random_unicode(rng, 20)))
      EXPECT_NE(tokenizer.value().kind(id), TokenKind::kControl);
    tokenizer.value().decode(tokenizer.value().encode_with_control_tokens(random_unicode(rng, 20)));
  }
  EXPECT_GT(n_loaded, 100) << "most changes should leave something to run";
}

TEST(StreamDecoder, NeverEndsWithinACharacterAndLosesNothing) {
  const Tokenizer tokenizer = small_tokenizer();
  Rng rng(3, 0);
  for (int round = 0; round < 300; ++round) {
    const std::string text = random_unicode(rng, 20);
    StreamDecoder decoder(tokenizer);
    std::string streamed;
    for (const int id : tokenizer.encode_with_control_tokens(text)) {
      const std::string piece = decoder.feed(id);
      EXPECT_TRUE(piece.empty() || (static_cast<unsigned char>(piece[0]) & 0xC0) != 0x80)
          << "begins within a character";
      streamed += piece;
    }
    EXPECT_EQ(decoder.finish(), "");
    EXPECT_EQ(streamed, tokenizer.decode(tokenizer.encode_with_control_tokens(text)));
  }
}

TEST(StreamDecoder, BrokenSequencesBecomeReplacementCharacters) {
  const Tokenizer tokenizer = small_tokenizer();
  const auto stream = [&](std::string_view bytes) {
    StreamDecoder decoder(tokenizer);
    std::string text;
    for (const char c : bytes) text += decoder.feed(static_cast<unsigned char>(c));
    return text + decoder.finish();
  };
  EXPECT_EQ(stream("a\xE4\xB8"), "a\uFFFD") << "cut at the end";
  EXPECT_EQ(stream("\xE4\xB8z"), "\uFFFDz") << "cut in the middle: one for the whole sequence";
  EXPECT_EQ(stream("\xFF\xC0\xAF"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(stream("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD") << "a surrogate";
  EXPECT_EQ(stream("\xE4\xB8\xAD"), "中");
}

}  // namespace
}  // namespace r1
