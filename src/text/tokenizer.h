// tokenizer.h: byte-level BPE, from Hugging Face's tokenizer.json or from a GGUF file's vocabulary.
//
// Text from users goes through encode(), which never yields a control token whatever the text says: "<｜User｜>" typed
// by a person is eight ordinary characters. Only templates place control tokens, by id. The same holds for added tokens
// that mark something, like R1's <think>: a user who writes about thinking must not begin or end it. (Added tokens that
// are plain text, like the "ü" of DeepSeek's first vocabularies, are found in any text, as their makers do.)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace r1 {

// How text is cut before merging; the patterns are in text/pretokenizer.cpp.
enum class PreTokenizerKind { kGpt2, kLlama3, kQwen2, kDeepSeekV3, kDeepSeekLlm, kDeepSeekCoder, kSmolLm };
inline constexpr int kPreTokenizerKindCount = 7;

enum class TokenKind : std::uint8_t {
  kNormal,
  kControl,      // meaning for the model, never text: <｜User｜>
  kUserDefined,  // added token that stands for its own text: <think> in R1
  kUnused,
  kByte,
};

// What both file formats are read into.
struct Vocabulary {
  std::vector<std::string>
      tokens;  // [vocab_size]; kNormal tokens spelt in GPT-2's byte alphabet ("Ġhello"), others as plain text
  std::vector<TokenKind> kinds;     // [vocab_size]
  std::vector<std::string> merges;  // "left right", best first
  PreTokenizerKind pre_tokenizer = PreTokenizerKind::kGpt2;
  bool ignore_merges = false;  // a piece that is itself a token is taken whole (Llama 3)
  bool nfc = false;            // text is brought to Unicode's composed form first, as Qwen2 was trained (normalizer.h)
  bool add_bos = false;
  int bos_id = -1, eos_id = -1, pad_id = -1;
  std::vector<int> end_ids;  // every token that ends an answer, eos_id among them
};

class Tokenizer {
 public:
  static Result<Tokenizer> from_vocabulary(Vocabulary vocabulary);
  // A folder with tokenizer.json and, if there, tokenizer_config.json, generation_config.json, config.json.
  static Result<Tokenizer> from_hf_folder(const std::string& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Text to ids, without BOS. Bytes that are not UTF-8 are encoded as the bytes they are; the few that a vocabulary has
  // no token for are left out (SmolLM2: 21, all but six of which UTF-8 hardly or never uses).
  std::vector<int> encode(std::string_view text) const;
  // The same for text that we, not a user, wrote: control and added tokens spelt out in it become their ids.
  std::vector<int> encode_with_control_tokens(std::string_view text) const;

  // Bytes of the tokens; control tokens are left out unless asked for.
  enum class ControlTokens { kSkip, kShow };
  std::string decode(std::span<const int> ids, ControlTokens control = ControlTokens::kSkip) const;
  // Raw bytes, perhaps half a character; a control token gives its name, an id that has no token (models are padded
  // beyond the vocabulary) nothing.
  std::string_view token_bytes(int id) const;

  std::optional<int> find(std::string_view token) const;  // id of a control or added token by its text
  TokenKind kind(int id) const;                           // kUnused for an id that has no token
  bool ends_answer(int id) const;
  int vocab_size() const;
  int bos_id() const;  // -1: none
  int eos_id() const;
  bool adds_bos() const;
  std::span<const int> end_ids() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Streamed ids to text that never ends within a character: an unfinished UTF-8 sequence is held back until its last
// byte comes.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  std::string feed(int id);  // text that is now complete; control tokens give nothing
  std::string finish();      // what was held back, each broken sequence as U+FFFD

 private:
  const Tokenizer* tokenizer_;
  std::string held_;
};

}  // namespace r1
