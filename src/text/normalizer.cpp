// normalizer.cpp: the door to utf8proc.
#include "text/normalizer.h"

#include <cstdlib>

#include <utf8proc.h>

#include "text/utf8.h"

namespace r1 {
namespace {

// The least code point that can change, or change its neighbour, in form C.
constexpr unsigned kFirstComposing = 0x300;

// Marks are sorted one by one, so a run of n costs n squared. No language writes more than a few; Unicode's
// Stream-Safe format allows 30 (UAX #15, section 13). Text beyond that stays as it is.
constexpr int kMarksMax = 30;

// Whether `text` may need composing, and may have it.
bool is_worth_composing(std::string_view text) {
  bool has_composing = false;
  int n_marks = 0;
  while (!text.empty()) {
    const Utf8Unit unit = first_utf8_unit(text);
    text.remove_prefix(static_cast<std::size_t>(unit.n_bytes));
    if (unit.code_point < kFirstComposing) {
      n_marks = 0;
      continue;
    }
    has_composing = true;
    n_marks =
        utf8proc_get_property(static_cast<utf8proc_int32_t>(unit.code_point))->combining_class != 0 ? n_marks + 1 : 0;
    if (n_marks > kMarksMax) return false;
  }
  return has_composing;
}

}  // namespace

std::string_view compose_nfc(std::string_view text, std::string& storage) {
  if (!is_worth_composing(text)) return text;
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t n_bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (n_bytes < 0) return text;
  storage.assign(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(n_bytes));
  std::free(composed);
  return storage;
}

}  // namespace r1
