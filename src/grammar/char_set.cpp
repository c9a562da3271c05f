// char_set.cpp: set algebra on sorted ranges; a range cut where the number of bytes, or of free places, changes.
#include "grammar/char_set.h"

#include <algorithm>
#include <array>

namespace r1 {
namespace {

constexpr std::uint32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

int encode(std::uint32_t c, std::uint8_t* bytes) {
  const int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  constexpr std::array<std::uint8_t, 5> kLead = {0, 0, 0xC0, 0xE0, 0xF0};
  for (int i = n - 1; i > 0; --i, c >>= 6) bytes[i] = static_cast<std::uint8_t>(0x80 | (c & 0x3F));
  bytes[0] = static_cast<std::uint8_t>(kLead[static_cast<std::size_t>(n)] | c);
  return n;
}

// Cuts until in each part the places behind the first that differs are free: then bytes range independently.
void append_sequences(std::uint32_t first, std::uint32_t last, std::vector<Utf8Sequence>& out) {
  for (const std::uint32_t end : {0x7Fu, 0x7FFu, 0xFFFFu}) {
    if (first > end || last <= end) continue;
    append_sequences(first, end, out);
    append_sequences(end + 1, last, out);
    return;
  }
  for (int bits = 6; bits <= 18 && last > 0x7F; bits += 6) {
    const std::uint32_t mask = (1u << bits) - 1;
    if ((first & ~mask) == (last & ~mask)) break;  // the difference is within these places
    if ((first & mask) != 0) {
      append_sequences(first, first | mask, out);
      append_sequences((first | mask) + 1, last, out);
      return;
    }
    if ((last & mask) != mask) {
      append_sequences(first, (last & ~mask) - 1, out);
      append_sequences(last & ~mask, last, out);
      return;
    }
  }
  Utf8Sequence sequence;
  sequence.n_bytes = encode(first, sequence.first);
  encode(last, sequence.last);
  out.push_back(sequence);
}

}  // namespace

void CharSet::add(std::uint32_t first, std::uint32_t last) {
  last = std::min(last, kLast);
  if (first > last) return;
  if (first <= kLastSurrogate && last >= kFirstSurrogate) {
    if (first < kFirstSurrogate) add(first, kFirstSurrogate - 1);
    if (last > kLastSurrogate) add(kLastSurrogate + 1, last);
    return;
  }
  std::vector<Range> merged;
  for (const Range& range : ranges_) {
    const bool is_apart = range.last + 1 < first || last + 1 < range.first;
    if (is_apart) {
      merged.push_back(range);
    } else {
      first = std::min(first, range.first);
      last = std::max(last, range.last);
    }
  }
  merged.push_back({first, last});
  std::sort(merged.begin(), merged.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  ranges_ = std::move(merged);
}

void CharSet::add(const CharSet& other) {
  for (const Range& range : other.ranges_) add(range.first, range.last);
}

CharSet CharSet::complement() const {
  CharSet rest;
  std::uint32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) rest.add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kLast) rest.add(next, kLast);
  return rest;
}

CharSet CharSet::without(const CharSet& other) const {
  CharSet outside = complement();
  outside.add(other);
  return outside.complement();
}

bool CharSet::contains(std::uint32_t c) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [c](const Range& r) { return r.first <= c && c <= r.last; });
}

std::vector<Utf8Sequence> utf8_sequences(CharSet::Range range) {
  std::vector<Utf8Sequence> sequences;
  append_sequences(range.first, range.last, sequences);
  return sequences;
}

}  // namespace r1
