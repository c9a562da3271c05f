// tokenizer_fuzz.cpp: libFuzzer on the text room; `make fuzz F=tokenizer`. The first byte chooses what is fed:
// tokenizer.json, or a text to encode and decode, or an answer to split and stop.
#include <cstdlib>

#include "tests/vocabularies.h"
#include "text/answer_stream.h"
#include "text/hf_vocabulary.h"

namespace r1 {
namespace {

void load(std::string_view text) {
  Result<Vocabulary> vocabulary = vocabulary_from_hf_files({std::string(text), "", "", ""});
  if (!vocabulary.ok()) return;
  const Result<Tokenizer> tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary).value());
  if (tokenizer.ok()) tokenizer.value().encode_with_control_tokens(text);
}

void encode(std::string_view text, PreTokenizerKind kind) {
  Vocabulary vocabulary = small_vocabulary();
  vocabulary.pre_tokenizer = kind;
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
  const std::vector<int> ids = tokenizer.encode(text);
  if (tokenizer.decode(ids) != text) std::abort();
  for (const int id : ids) {
    if (tokenizer.kind(id) != TokenKind::kNormal) std::abort();
  }
}

// Whole and byte by byte must agree.
void split(std::string_view text, ReasoningSplitter::Start start) {
  ReasoningSplitter whole(start), bytewise(start);
  SplitText a = whole.feed(text), b;
  for (const char c : text) {
    const SplitText piece = bytewise.feed({&c, 1});
    b.thinking += piece.thinking;
    b.answer += piece.answer;
  }
  const SplitText a_end = whole.finish(), b_end = bytewise.finish();
  if (a.thinking + a_end.thinking != b.thinking + b_end.thinking || a.answer + a_end.answer != b.answer + b_end.answer)
    std::abort();
}

}  // namespace
}  // namespace r1

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t n_bytes) {
  if (n_bytes == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, n_bytes - 1);
  const int choice = data[0] % (r1::kPreTokenizerKindCount + 3);
  if (choice < r1::kPreTokenizerKindCount)
    r1::encode(text, static_cast<r1::PreTokenizerKind>(choice));
  else if (choice == r1::kPreTokenizerKindCount)
    r1::load(text);
  else
    r1::split(text,
              choice % 2 == 0 ? r1::ReasoningSplitter::Start::kThinking : r1::ReasoningSplitter::Start::kUndecided);
  return 0;
}
