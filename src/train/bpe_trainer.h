// bpe_trainer.h: learns the merges of a byte-level BPE vocabulary from text.
// Source: Sennrich, Haddow, Birch 2016, "Neural machine translation of rare words with subword units", over bytes as in
// GPT-2: the most frequent pair of neighbouring tokens becomes a token, until the vocabulary is full.
//
//     R1_TRY(BpeTrainer trainer, BpeTrainer::make());
//     for (const std::string& text : texts) trainer.add(text);
//     R1_TRY(const Vocabulary vocabulary, trainer.train(1024));
//
// 1. The vocabulary is R1's control tokens, the 256 bytes, then a token a merge; pre-tokenizer DeepSeek-V3's, so other
//    programs read it as R1's. What may be merged is in train/token_rules.h.
// 2. It depends on the multiset of texts alone: of equally frequent pairs the one with the smaller ids is merged.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"

namespace r1 {

// Control and added tokens of a vocabulary that is trained here, in the order of their ids, from 0: R1's own strings.
std::span<const std::string_view> r1_special_tokens();

class BpeTrainer {
 public:
  static Result<BpeTrainer> make();

  // Counts the units of a text; bytes that are not UTF-8 are passed over. Control tokens in it are ordinary text: leave
  // them out.
  void add(std::string_view text);

  // vocab_size: at least the control tokens and the bytes. An Error also where the texts have too few pairs that occur
  // more than once.
  Result<Vocabulary> train(int vocab_size) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  explicit BpeTrainer(Pretokenizer pretokenizer) : pretokenizer_(std::move(pretokenizer)) {}
  void count_unit(std::string_view unit);

  Pretokenizer pretokenizer_;
  std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> unit_counts_;
};

}  // namespace r1
