// pretokenizer_test.cpp: texts are cut where Hugging Face tokenizers cut them (golden made by
// tools/golden/make_pieces.py).
#include "text/pretokenizer.h"

#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

const std::map<std::string, PreTokenizerKind> kKinds = {
    {"gpt2", PreTokenizerKind::kGpt2},
    {"llama3", PreTokenizerKind::kLlama3},
    {"qwen2", PreTokenizerKind::kQwen2},
    {"deepseek-v3", PreTokenizerKind::kDeepSeekV3},
    {"deepseek-llm", PreTokenizerKind::kDeepSeekLlm},
    {"deepseek-coder", PreTokenizerKind::kDeepSeekCoder},
    {"smollm", PreTokenizerKind::kSmolLm},
};

std::vector<std::string> split(const Pretokenizer& pretokenizer, std::string_view text) {
  std::vector<std::string> pieces;
  pretokenizer.split(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

TEST(Pretokenizer, CutsWhereHuggingFaceCuts) {
  std::map<std::string, Pretokenizer> cutters;
  for (const auto& [name, kind] : kKinds) cutters.emplace(name, Pretokenizer::make(kind).value());
  std::istringstream lines(read_file(R1_SOURCE_DIR "/tests/golden/tokenizer/pieces.jsonl", 1 << 24).value());
  int n_texts = 0;
  for (std::string line; std::getline(lines, line); ++n_texts) {
    const Json row = parse_json(line, "pieces.jsonl").value();
    const std::string text = row["text"], kind = row["kind"];
    std::vector<std::string> expected;
    std::size_t begin = 0;
    for (const std::size_t n_bytes : row["pieces"]) {
      expected.push_back(text.substr(begin, n_bytes));
      begin += n_bytes;
    }
    EXPECT_EQ(split(cutters.at(kind), text), expected) << kind;
  }
  EXPECT_EQ(n_texts, 60 * kPreTokenizerKindCount);
}

TEST(Pretokenizer, LongRunsAreCutInLinearTime) {
  constexpr std::size_t kBytes = 1 << 20;
  std::string spaces_then_digit(kBytes, ' '), tabs_then_letter(kBytes, '\t');
  spaces_then_digit.push_back('1');
  tabs_then_letter.push_back('x');
  for (const auto& [name, kind] : kKinds) {
    const Pretokenizer pretokenizer = Pretokenizer::make(kind).value();
    for (const std::string& text : {spaces_then_digit, tabs_then_letter, std::string(kBytes, '!')}) {
      std::size_t n_bytes = 0;
      pretokenizer.split(text, [&](std::string_view piece) { n_bytes += piece.size(); });
      EXPECT_EQ(n_bytes, text.size()) << name;
    }
  }
}

TEST(Pretokenizer, APieceOfNothingIsNotAPiece) {
  EXPECT_TRUE(split(Pretokenizer::make(PreTokenizerKind::kDeepSeekV3).value(), "").empty());
}

}  // namespace
}  // namespace r1
