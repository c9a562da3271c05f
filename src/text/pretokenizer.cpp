// pretokenizer.cpp: the patterns, and the only door to PCRE2.
//
// Patterns are those of the models' tokenizer.json, rewritten where PCRE2 would read them differently from the engine
// they were written for (Oniguruma) or would take quadratic time:
// 1. \s is spelt out as Unicode's White_Space: PCRE2's own also matches U+180E.
// 2. A run is entered only at its start and never given back where giving back cannot help (deepseek-llm's `\s+$`
//    would retry every position of a long run of spaces: 1 MB takes hours).
#include "text/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <fmt/format.h>

namespace r1 {
namespace {

#define R1_SPACE R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})"
#define R1_S "[" R1_SPACE "]"
#define R1_TRAILING_SPACE \
  R1_S "+(?!"             \
       "[^" R1_SPACE "])|" R1_S "+"

// Llama 3 and Qwen2 differ in how many digits stay together.
#define R1_LLAMA3_WITH_DIGITS(digits)                                                                                \
  R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)" digits "| ?[^" R1_SPACE R"(\p{L}\p{N}]+[\r\n]*|)" R1_S \
  R"(*[\r\n]+|)" R1_TRAILING_SPACE

constexpr const char* kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)" R1_SPACE R"(\p{L}\p{N}]+|)" R1_TRAILING_SPACE;

constexpr const char* kDeepSeekV3Words =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|)" R1_S
    R"(*[\r\n]+|)" R1_TRAILING_SPACE;

// The letters with case of the scripts DeepSeek's first tokenizers kept together with a space before them.
constexpr const char* kDeepSeekLlmLetters = R1_S
    R"(?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}\x{295}-\x{2af})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5})"
    R"(\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd})"
    R"(\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15})"
    R"(\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}\x{1f5f}-\x{1f7d})"
    R"(\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb})"
    R"(\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d})"
    R"(\x{2124}\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f}\x{2145}-\x{2149}\x{214e})"
    R"(\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d})"
    R"(\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787}\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06})"
    R"(\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb})"
    R"(\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+)";

constexpr const char* kOldDeepSeekCjk = R"([\x{800}-\x{9fa5}\x{ac00}-\x{d7ff}]+)";

std::vector<const char*> patterns_of(PreTokenizerKind kind) {
  switch (kind) {
    case PreTokenizerKind::kGpt2:
      return {kGpt2Words};
    case PreTokenizerKind::kSmolLm:
      return {R"(\p{N})", kGpt2Words};
    case PreTokenizerKind::kLlama3:
      return {R1_LLAMA3_WITH_DIGITS(R"(\p{N}{1,3})")};
    case PreTokenizerKind::kQwen2:
      return {R1_LLAMA3_WITH_DIGITS(R"(\p{N})")};
    case PreTokenizerKind::kDeepSeekV3:
      return {R"(\p{N}{1,3})", R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)", kDeepSeekV3Words};
    case PreTokenizerKind::kDeepSeekLlm:
      return {R"([\r\n])",
              kDeepSeekLlmLetters,
              R1_S R"(?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)",
              R"((?<!)" R1_S ")" R1_S R"(++\z)",
              kOldDeepSeekCjk,
              R"(\p{N})"};
    case PreTokenizerKind::kDeepSeekCoder:
      return {R"([\r\n])", R1_S R"(?\p{L}+)", R1_S R"(?\p{P}+)", kOldDeepSeekCjk, R"(\p{N})"};
  }
  return {};
}

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

}  // namespace

struct Pretokenizer::Pattern {
  std::unique_ptr<pcre2_code, FreeCode> code;
  bool is_jitted = false;
};

// What one call of split needs to write to.
struct Pretokenizer::Scratch {
  std::unique_ptr<pcre2_match_data, FreeMatch> match{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, FreeContext> context{pcre2_match_context_create(nullptr)};
};

Pretokenizer::Pretokenizer(std::vector<Pattern> patterns) : patterns_(std::move(patterns)) {}
Pretokenizer::Pretokenizer(Pretokenizer&&) noexcept = default;
Pretokenizer& Pretokenizer::operator=(Pretokenizer&&) noexcept = default;
Pretokenizer::~Pretokenizer() = default;

Result<Pretokenizer> Pretokenizer::make(PreTokenizerKind kind) {
  std::vector<Pattern> patterns;
  for (const char* text : patterns_of(kind)) {
    int error = 0;
    PCRE2_SIZE error_offset = 0;
    Pattern pattern;
    pattern.code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text), PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &error, &error_offset, nullptr));
    if (!pattern.code) {
      return Error{ErrorCode::kInternal, fmt::format("pre-tokenizer pattern refused by PCRE2 at byte {}: error {}: {}",
                                                     error_offset, error, text)};
    }
    pattern.is_jitted = pcre2_jit_compile(pattern.code.get(), PCRE2_JIT_COMPLETE) == 0;
    patterns.push_back(std::move(pattern));
  }
  return Pretokenizer(std::move(patterns));
}

void Pretokenizer::split(std::string_view text, TakePiece take) const {
  Scratch scratch;
  R1_ASSERT(scratch.match && scratch.context, "PCRE2 is out of memory");
  // Far above what any of our patterns needs: a bug in one must cost a badly cut text, not a core for an hour.
  pcre2_set_match_limit(scratch.context.get(), 100'000'000);
  split_from(0, text, scratch, take);
}

void Pretokenizer::split_from(std::size_t stage, std::string_view text, Scratch& scratch, const TakePiece& take) const {
  if (text.empty()) return;
  if (stage == patterns_.size()) return take(text);
  const Pattern& pattern = patterns_[stage];
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::size_t done = 0;
  while (done < text.size()) {
    pcre2_match_data* match = scratch.match.get();
    int found = pattern.is_jitted ? pcre2_jit_match(pattern.code.get(), subject, text.size(), done, PCRE2_NO_UTF_CHECK,
                                                    match, scratch.context.get())
                                  : PCRE2_ERROR_JIT_BADOPTION;
    if (found < PCRE2_ERROR_NOMATCH) {  // no JIT here, or its stack was too small for this text: the interpreter
      found = pcre2_match(pattern.code.get(), subject, text.size(), done, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match,
                          scratch.context.get());
    }
    if (found < 0) break;  // no further match: the rest is one piece
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match);
    const std::size_t begin = ends[0], end = ends[1];
    if (end <= begin) break;  // no pattern of ours matches nothing
    split_from(stage + 1, text.substr(done, begin - done), scratch, take);
    split_from(stage + 1, text.substr(begin, end - begin), scratch, take);
    done = end;
  }
  split_from(stage + 1, text.substr(done), scratch, take);
}

}  // namespace r1
