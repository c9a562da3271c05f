// normalizer.cpp: the door to utf8proc, which is asked only about the few places of a text that can change.
#include "text/normalizer.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include <utf8proc.h>

#include "text/utf8.h"

namespace r1 {
namespace {

// Code points below U+0300 are in form C already and join nothing before them; in UTF-8 all their bytes are below this
// one, and all other characters begin with it or a greater one.
constexpr unsigned char kFirstLead = 0xCC;

// Marks are sorted one by one, so a run of n costs n squared. No language writes more than a few; Unicode's
// Stream-Safe format allows 30 (UAX #15, section 13). A longer run stays as it is.
constexpr int kMarksMax = 30;

// Whether composing can change a character by itself (it has a canonical decomposition) or join it to the one before
// (it is a mark, or a vowel or final consonant of Hangul). U+11A7 composes with nothing, but utf8proc 2.8 takes it for
// the empty final consonant and drops it.
bool can_change(std::uint32_t code_point) {
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code_point));
  const bool is_mark = property->category == UTF8PROC_CATEGORY_MN || property->category == UTF8PROC_CATEGORY_MC ||
                       property->category == UTF8PROC_CATEGORY_ME;
  const bool decomposes = property->decomp_seqindex != UINT16_MAX && property->decomp_type == 0;
  return is_mark || decomposes || (code_point >= 0x1160 && code_point <= 0x11FF && code_point != 0x11A7);
}

struct Run {
  std::size_t end;
  bool is_composable;
};

// The run of characters that can change which begins at `begin`; empty if there is none.
Run changing_run(std::string_view text, std::size_t begin) {
  int n_marks = 0, n_marks_max = 0;
  std::size_t i = begin;
  while (i < text.size() && static_cast<unsigned char>(text[i]) >= kFirstLead) {
    const Utf8Unit unit = first_utf8_unit(text.substr(i));
    if (!can_change(unit.code_point)) break;
    const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(unit.code_point));
    n_marks = property->combining_class != 0 ? n_marks + 1 : 0;
    n_marks_max = std::max(n_marks_max, n_marks);
    i += static_cast<std::size_t>(unit.n_bytes);
  }
  return {i, n_marks_max <= kMarksMax};
}

std::size_t character_before(std::string_view text, std::size_t i) {
  if (i == 0) return 0;
  do --i;
  while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80);
  return i;
}

void append_composed(std::string_view text, std::string& into) {
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t n_bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  into +=
      n_bytes < 0 ? text : std::string_view(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(n_bytes));
  std::free(composed);
}

}  // namespace

std::string_view compose_nfc(std::string_view text, std::string& storage) {
  std::size_t n_taken = 0;  // so much of the text is in storage
  for (std::size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < kFirstLead) {
      ++i;
      continue;
    }
    const Run run = changing_run(text, i);
    if (run.end == i) {
      i += static_cast<std::size_t>(first_utf8_unit(text.substr(i)).n_bytes);
      continue;
    }
    if (run.is_composable) {  // together with the character before, which a mark may join
      const std::size_t begin = std::max(character_before(text, i), n_taken);
      storage += text.substr(n_taken, begin - n_taken);
      append_composed(text.substr(begin, run.end - begin), storage);
      n_taken = run.end;
    }
    i = run.end;
  }
  if (n_taken == 0) return text;
  storage += text.substr(n_taken);
  return storage;
}

}  // namespace r1
