// trained_tokenizer_test.cpp: the vocabulary trained on the tasks: what it may hold, what it reads back, and that files
// give it back.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "apps/gguf_vocabulary.h"
#include "base/temp_folder_for_tests.h"
#include "tasks/registry.h"
#include "tests/vocabularies.h"
#include "text/byte_alphabet.h"
#include "text/chat_template.h"
#include "text/hf_vocabulary.h"
#include "text/hf_vocabulary_writer.h"
#include "text/pretokenizer.h"
#include "text/r1_chat_template.h"
#include "train/bpe_trainer.h"
#include "train/gguf_tokenizer.h"
#include "train/token_rules.h"
#include "train/tokenizer_corpus.h"

namespace r1 {
namespace {

constexpr int kVocabSize = 1024;

const Vocabulary& trained() {
  static const Vocabulary vocabulary = [] {
    BpeTrainer trainer = BpeTrainer::make().value();
    for_each_task_text(Split::kTrain, 400, [&](std::string_view text) { trainer.add(text); });
    return trainer.train(kVocabSize).value();
  }();
  return vocabulary;
}

Tokenizer tokenizer_of(const Vocabulary& vocabulary) { return Tokenizer::from_vocabulary(vocabulary).value(); }

std::vector<std::string> task_texts() {
  std::vector<std::string> texts;
  for (const Split split : {Split::kTrain, Split::kTest})
    for_each_task_text(split, 100, [&](std::string_view text) { texts.emplace_back(text); });
  return texts;
}

std::string vocabulary_texts(std::uint64_t seed) {
  Rng rng(seed, 5);
  return random_unicode(rng, 40) + "小明 has 12 apples，12+3=15\n" + random_bytes(rng, 40);
}

TEST(TrainedTokenizer, IsOfTheSizeAskedForAndHoldsNoTokenTwice) {
  EXPECT_EQ(trained().tokens.size(), static_cast<std::size_t>(kVocabSize));
  EXPECT_EQ(std::set<std::string>(trained().tokens.begin(), trained().tokens.end()).size(), trained().tokens.size());
}

TEST(TrainedTokenizer, EveryMergedTokenIsOneUnitOrPartOfACharacter) {
  for (std::size_t id = r1_special_tokens().size() + 256; id < trained().tokens.size(); ++id) {
    const std::string bytes = bytes_of_spelling(trained().tokens[id]).value();
    EXPECT_TRUE(is_within_or_whole_characters(bytes)) << trained().tokens[id];
    EXPECT_EQ(bytes.find_first_of("0123456789+-*/=<>?|()[].,:;!'\""), std::string::npos) << trained().tokens[id];
  }
}

TEST(TrainedTokenizer, ReadsBackEveryTaskTextAndAnyBytes) {
  const Tokenizer tokenizer = tokenizer_of(trained());
  for (const std::string& text : task_texts()) ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::string text = vocabulary_texts(seed);
    ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << "seed " << seed;
  }
}

TEST(TrainedTokenizer, DigitsAreSingleInAnyText) {
  const Tokenizer tokenizer = tokenizer_of(trained());
  for (const std::string& text : task_texts()) {
    for (const int id : tokenizer.encode(text)) {
      const std::string_view bytes = tokenizer.token_bytes(id);
      ASSERT_TRUE(bytes.size() == 1 || bytes.find_first_of("0123456789") == std::string_view::npos) << bytes;
    }
  }
}

// The rules are the merges' alone: pieces of the pre-tokenizer are larger than units, and change nothing.
TEST(TrainedTokenizer, UnitsHaveTheSameTokensAloneAndInText) {
  const Tokenizer tokenizer = tokenizer_of(trained());
  const Pretokenizer pretokenizer = Pretokenizer::make(PreTokenizerKind::kDeepSeekV3).value();
  std::vector<std::string> texts = task_texts();
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed, 7);
    texts.push_back(random_unicode(rng, 60));
  }
  for (const std::string& text : texts) {
    std::vector<int> ids;
    pretokenizer.split(text, [&](std::string_view piece) {
      split_units(piece, [&](std::string_view unit) {
        const std::vector<int> of_unit = tokenizer.encode(unit);
        ids.insert(ids.end(), of_unit.begin(), of_unit.end());
      });
    });
    ASSERT_EQ(tokenizer.encode(text), ids) << text;
  }
}

// What a context of 512 must hold with room to spare. The figures are in the test's XML (--gtest_output=xml).
TEST(TrainedTokenizer, TracesOfTestProblemsAreShort) {
  const Tokenizer tokenizer = tokenizer_of(trained());
  for (const Task* task : all_tasks()) {
    std::size_t n_tokens = 0, longest = 0;
    for (std::uint64_t index = 0; index < 200; ++index) {
      const Problem problem = task->sample(Split::kTest, index);
      const std::size_t n = tokenizer.encode_with_control_tokens(problem.prompt + problem.trace).size();
      n_tokens += n;
      longest = std::max(longest, n);
    }
    EXPECT_LT(n_tokens / 200, 230u) << task->name;
    EXPECT_LT(longest, 300u) << task->name;
    RecordProperty(std::string(task->name) + "_mean_tokens", static_cast<int>(n_tokens / 200));
    RecordProperty(std::string(task->name) + "_longest_trace", static_cast<int>(longest));
  }
}

void expect_same_ids(const Tokenizer& read, const Vocabulary& written) {
  const Tokenizer expected = tokenizer_of(written);
  ASSERT_EQ(read.vocab_size(), expected.vocab_size());
  EXPECT_EQ(read.bos_id(), expected.bos_id());
  EXPECT_EQ(read.eos_id(), expected.eos_id());
  EXPECT_TRUE(read.adds_bos());
  EXPECT_TRUE(read.ends_answer(read.eos_id()));
  std::vector<std::string> texts = task_texts();
  for (std::uint64_t seed = 0; seed < 100; ++seed) texts.push_back(vocabulary_texts(seed));
  for (const std::string& text : texts) {
    ASSERT_EQ(read.encode(text), expected.encode(text)) << text;
    ASSERT_EQ(read.encode_with_control_tokens("<｜User｜>" + text + "<think>"),
              expected.encode_with_control_tokens("<｜User｜>" + text + "<think>"));
  }
}

TEST(TrainedTokenizer, AGgufFileGivesItBackAsOneOfAModelThatThinks) {
  const TempFolder folder;
  const std::string path = folder.path_of("tokenizer.gguf");
  GgufMetadata metadata;
  add_r1_tokenizer(metadata, trained());
  const Status written = GgufWriter(metadata, {}).write(path, [](std::size_t, TensorSink) { return Status(); });
  ASSERT_TRUE(written.ok()) << written.error().message;
  const GgufFile file = GgufFile::open(path).value();
  const Tokenizer tokenizer = tokenizer_of(vocabulary_from_gguf(file.metadata()).value());
  expect_same_ids(tokenizer, trained());

  const std::string source = file.metadata().string("tokenizer.chat_template").value();
  const ChatTemplate chat = ChatTemplate::detect(source, tokenizer).value();
  const std::vector<ChatMessage> messages = {{.role = "user", .content = "2+2=?"}};
  const Prompt prompt = chat.render(messages).value();
  EXPECT_TRUE(prompt.in_thinking());
  EXPECT_EQ(tokenizer.decode(prompt.ids, Tokenizer::ControlTokens::kShow),
            "<｜begin▁of▁sentence｜><｜User｜>2+2=?<｜Assistant｜><think>\n");
}

TEST(TrainedTokenizer, AFolderGivesItBack) {
  const TempFolder folder;
  const Status written = write_tokenizer_files(folder.path(), trained(), kR1ChatTemplate);
  ASSERT_TRUE(written.ok()) << written.error().message;
  const Result<Tokenizer> tokenizer = Tokenizer::from_hf_folder(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  expect_same_ids(*tokenizer, trained());
  EXPECT_EQ(chat_template_from_hf_folder(folder.path()).value(), kR1ChatTemplate);
}

}  // namespace
}  // namespace r1
