// stream_decoder.cpp: StreamDecoder of tokenizer.h.
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace r1 {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

std::string StreamDecoder::feed(int id) {
  if (tokenizer_->kind(id) == TokenKind::kControl) return {};
  held_ += tokenizer_->token_bytes(id);
  std::string complete;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const std::size_t n_well_formed = well_formed_prefix(rest);
    complete += rest.substr(0, n_well_formed);
    rest.remove_prefix(n_well_formed);
    if (rest.empty()) break;
    const Utf8Unit unit = first_utf8_unit(rest);
    if (unit.kind == Utf8Unit::Kind::kCut) break;
    complete += kReplacement;
    rest.remove_prefix(static_cast<std::size_t>(unit.n_bytes));
  }
  held_.erase(0, held_.size() - rest.size());
  return complete;
}

std::string StreamDecoder::finish() {
  // Only one cut character can be held: one broken sequence.
  const bool holds = !held_.empty();
  held_.clear();
  return std::string(holds ? kReplacement : std::string_view());
}

}  // namespace r1
