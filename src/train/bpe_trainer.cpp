// bpe_trainer.cpp: counts of pairs are kept up to date, unit by unit, as pairs are merged; a heap finds the next one.
#include "train/bpe_trainer.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <tuple>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "text/byte_alphabet.h"
#include "text/hf_vocabulary.h"
#include "text/utf8.h"
#include "train/token_rules.h"

namespace r1 {
namespace {

// Those of R1 that a chat or a tool call is written with. The places held take the meaning a later training gives them.
constexpr std::string_view kSpecialTokens[] = {
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<think>",
    "</think>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
    "<｜tool▁sep｜>",
    "<｜place▁holder▁no▁0｜>",
    "<｜place▁holder▁no▁1｜>",
    "<｜place▁holder▁no▁2｜>",
    "<｜place▁holder▁no▁3｜>",
};
constexpr int kBos = 0, kEos = 1, kPad = 2;
constexpr int kFirstByte = static_cast<int>(std::size(kSpecialTokens)), kFirstMerged = kFirstByte + 256;

// Far above any vocabulary: one that is asked for by mistake must not become memory.
constexpr int kVocabSizeMax = 1 << 20;

struct Pair {
  int left, right;  // ids
};

// The merges in the making. Tokens are numbered as in the vocabulary.
class Merger {
 public:
  void add_unit(std::string_view bytes, std::int64_t count);
  void count_pairs();
  // Merges the most frequent pair into a new token; nothing where no pair occurs twice.
  std::optional<Pair> merge_next();
  const std::string& token(int id) const { return tokens_[static_cast<std::size_t>(id - kFirstByte)]; }

 private:
  struct Unit {
    std::vector<int> tokens;  // ids
    std::int64_t count;
  };
  struct PairUse {
    bool allowed = true;
    std::int64_t count = 0;
    std::vector<int> units;  // indices; some may have lost the pair since, some stand there twice
  };
  struct Candidate {
    std::int64_t count;
    Pair pair;
    // The heap's top is the largest: more frequent, then smaller ids.
    bool operator<(const Candidate& other) const {
      return std::tie(count, other.pair.left, other.pair.right) < std::tie(other.count, pair.left, pair.right);
    }
  };

  static std::uint64_t key_of(Pair pair) {
    return static_cast<std::uint64_t>(pair.left) << 32 | static_cast<std::uint32_t>(pair.right);
  }
  PairUse& use_of(Pair pair);
  void count_pairs_of(int unit, std::int64_t sign, int seen_before);
  void replace(std::vector<int>& tokens, Pair pair, int merged) const;

  std::vector<std::string> tokens_ = all_bytes();  // from kFirstByte on
  std::unordered_set<std::string> spelt_;          // of the merged ones
  std::vector<Unit> units_;
  std::unordered_map<std::uint64_t, PairUse> uses_;
  std::priority_queue<Candidate> heap_;
  std::vector<Pair> fresh_;  // pairs the last merge brought about

  static std::vector<std::string> all_bytes() {
    std::vector<std::string> bytes;
    bytes.reserve(256);
    for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
    return bytes;
  }
};

void Merger::add_unit(std::string_view bytes, std::int64_t count) {
  if (bytes.size() < 2) return;
  Unit unit{{}, count};
  for (const char c : bytes) unit.tokens.push_back(kFirstByte + static_cast<std::uint8_t>(c));
  units_.push_back(std::move(unit));
}

Merger::PairUse& Merger::use_of(Pair pair) {
  const auto [found, is_new] = uses_.try_emplace(key_of(pair));
  if (is_new) {
    found->second.allowed = is_within_or_whole_characters(token(pair.left) + token(pair.right));
    fresh_.push_back(pair);
  }
  return found->second;
}

// Adds the unit's count to its pairs, or takes it away. Pairs of tokens below `seen_before` have the unit in their
// list.
void Merger::count_pairs_of(int unit_index, std::int64_t sign, int seen_before) {
  const Unit& unit = units_[static_cast<std::size_t>(unit_index)];
  for (std::size_t i = 0; i + 1 < unit.tokens.size(); ++i) {
    const Pair pair{unit.tokens[i], unit.tokens[i + 1]};
    PairUse& use = use_of(pair);
    if (!use.allowed) continue;
    use.count += sign * unit.count;
    const bool is_listed = pair.left < seen_before && pair.right < seen_before;
    if (sign > 0 && !is_listed && (use.units.empty() || use.units.back() != unit_index))
      use.units.push_back(unit_index);
  }
}

void Merger::count_pairs() {
  for (std::size_t unit = 0; unit < units_.size(); ++unit) count_pairs_of(static_cast<int>(unit), 1, 0);
  for (const Pair pair : fresh_) heap_.push({use_of(pair).count, pair});
  fresh_.clear();
}

void Merger::replace(std::vector<int>& tokens, Pair pair, int merged) const {
  std::size_t n = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool is_here = i + 1 < tokens.size() && tokens[i] == pair.left && tokens[i + 1] == pair.right;
    tokens[n++] = is_here ? merged : tokens[i];
    if (is_here) ++i;
  }
  tokens.resize(n);
}

std::optional<Pair> Merger::merge_next() {
  while (!heap_.empty() && heap_.top().count > 1) {
    const Candidate best = heap_.top();
    heap_.pop();
    PairUse& use = use_of(best.pair);
    // Counts of old pairs only fall, and falls are not entered in the heap: they are found out here.
    if (use.count != best.count) {
      heap_.push({use.count, best.pair});
      continue;
    }
    std::string bytes = token(best.pair.left) + token(best.pair.right);
    if (!spelt_.insert(bytes).second) continue;  // "a" + "aa" where "aa" + "a" is a token: a vocabulary is a set
    const int merged = kFirstByte + static_cast<int>(tokens_.size());
    tokens_.push_back(std::move(bytes));
    for (const int unit : std::exchange(use.units, {})) {
      // A unit that has lost the pair, or stands here a second time, comes out as it went in.
      count_pairs_of(unit, -1, merged);
      replace(units_[static_cast<std::size_t>(unit)].tokens, best.pair, merged);
      count_pairs_of(unit, 1, merged);
    }
    for (const Pair pair : fresh_) heap_.push({use_of(pair).count, pair});
    fresh_.clear();
    return best.pair;
  }
  return std::nullopt;
}

Vocabulary vocabulary_without_merges() {
  Vocabulary vocabulary;
  for (const std::string_view token : kSpecialTokens) {
    vocabulary.tokens.emplace_back(token);
    vocabulary.kinds.push_back(looks_like_control(token) ? TokenKind::kControl : TokenKind::kUserDefined);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    vocabulary.tokens.push_back(spelling_of_bytes({&text, 1}));
    vocabulary.kinds.push_back(TokenKind::kNormal);
  }
  vocabulary.pre_tokenizer = PreTokenizerKind::kDeepSeekV3;
  vocabulary.add_bos = true;
  vocabulary.bos_id = kBos;
  vocabulary.eos_id = kEos;
  vocabulary.pad_id = kPad;
  vocabulary.end_ids = {kEos};
  return vocabulary;
}

}  // namespace

std::span<const std::string_view> r1_special_tokens() { return kSpecialTokens; }

Result<BpeTrainer> BpeTrainer::make() {
  R1_TRY(Pretokenizer pretokenizer, Pretokenizer::make(PreTokenizerKind::kDeepSeekV3));
  return BpeTrainer(std::move(pretokenizer));
}

void BpeTrainer::add(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n_well_formed = well_formed_prefix(text);
    pretokenizer_.split(text.substr(0, n_well_formed), [&](std::string_view piece) {
      split_units(piece, [&](std::string_view unit) { count_unit(unit); });
    });
    text.remove_prefix(n_well_formed);
    if (!text.empty()) text.remove_prefix(static_cast<std::size_t>(first_utf8_unit(text).n_bytes));
  }
}

void BpeTrainer::count_unit(std::string_view unit) {
  const auto found = unit_counts_.find(unit);
  if (found != unit_counts_.end())
    ++found->second;
  else
    unit_counts_.emplace(unit, 1);
}

Result<Vocabulary> BpeTrainer::train(int vocab_size) const {
  if (vocab_size < kFirstMerged || vocab_size > kVocabSizeMax) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("a vocabulary of {} tokens: it takes {} control tokens and 256 bytes, and at most {}",
                             vocab_size, kFirstByte, kVocabSizeMax)};
  }
  Merger merger;
  for (const auto& [unit, count] : unit_counts_) merger.add_unit(unit, count);
  merger.count_pairs();
  Vocabulary vocabulary = vocabulary_without_merges();
  for (int id = kFirstMerged; id < vocab_size; ++id) {
    const std::optional<Pair> pair = merger.merge_next();
    if (!pair) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("a vocabulary of {} tokens needs {} merges, the texts have {} pairs that occur twice",
                               vocab_size, vocab_size - kFirstMerged, id - kFirstMerged)};
    }
    const std::string left = spelling_of_bytes(merger.token(pair->left));
    const std::string right = spelling_of_bytes(merger.token(pair->right));
    vocabulary.merges.push_back(left + " " + right);
    vocabulary.tokens.push_back(left + right);
    vocabulary.kinds.push_back(TokenKind::kNormal);
  }
  return vocabulary;
}

}  // namespace r1
