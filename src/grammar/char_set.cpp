// char_set.cpp: set algebra on sorted ranges; a range cut where the number of bytes, or of free places, changes.
#include "grammar/char_set.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace r1 {
namespace {

constexpr std::uint32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

bool begins_before(const CharSet::Range& a, const CharSet::Range& b) { return a.first < b.first; }

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

CharSet::CharSet(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), begins_before);
  for (const Range& range : ranges) append(range);
}

// Ranges come in the order of their beginnings: each overlaps the last one here, or what it was cut from, or none.
void CharSet::append(Range range) {
  range.last = std::min(range.last, kLast);
  if (range.first > range.last) return;
  if (range.first <= kLastSurrogate && range.last >= kFirstSurrogate) {
    if (range.first < kFirstSurrogate) append({range.first, kFirstSurrogate - 1});
    if (range.last > kLastSurrogate) append({kLastSurrogate + 1, range.last});
    return;
  }
  if (ranges_.empty() || range.first > ranges_.back().last + 1)
    ranges_.push_back(range);
  else
    ranges_.back().last = std::max(ranges_.back().last, range.last);
}

void CharSet::add(const CharSet& other) {
  std::vector<Range> both;
  std::merge(ranges_.begin(), ranges_.end(), other.ranges_.begin(), other.ranges_.end(), std::back_inserter(both),
             begins_before);
  ranges_.clear();
  for (const Range& range : both) append(range);
}

CharSet CharSet::complement() const {
  CharSet rest;
  std::uint32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) rest.append({next, range.first - 1});
    next = range.last + 1;
  }
  rest.append({next, kLast});
  return rest;
}

CharSet CharSet::without(const CharSet& other) const {
  CharSet outside = complement();
  outside.add(other);
  return outside.complement();
}

bool CharSet::contains(std::uint32_t c) const {
  const auto behind = std::upper_bound(ranges_.begin(), ranges_.end(), Range{c, c}, begins_before);
  return behind != ranges_.begin() && c <= std::prev(behind)->last;
}

std::vector<Utf8Sequence> utf8_sequences(CharSet::Range range) {
  std::vector<Utf8Sequence> sequences;
  append_sequences(range.first, range.last, sequences);
  return sequences;
}

}  // namespace r1
