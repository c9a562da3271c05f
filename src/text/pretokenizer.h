// pretokenizer.h: cuts text into the pieces within which BPE merges, as each model's training did.
//
// A kind is a sequence of patterns. Each is applied to the pieces the one before it left; its matches and what lies
// between them become the next pieces. Patterns are ours alone, never a caller's. Immutable: any thread may use it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "text/tokenizer.h"

namespace r1 {

class Pretokenizer {
 public:
  static Result<Pretokenizer> make(PreTokenizerKind kind);
  Pretokenizer(Pretokenizer&&) noexcept;
  Pretokenizer& operator=(Pretokenizer&&) noexcept;
  ~Pretokenizer();

  // Calls take(piece) for every piece, in order; together they are the text. The text must be well-formed UTF-8.
  using TakePiece = FunctionRef<void(std::string_view piece)>;
  void split(std::string_view text, TakePiece take) const;

 private:
  struct Pattern;
  struct Scratch;
  explicit Pretokenizer(std::vector<Pattern> patterns);
  void split_from(std::size_t stage, std::string_view text, Scratch& scratch, const TakePiece& take) const;

  std::vector<Pattern> patterns_;
};

}  // namespace r1
