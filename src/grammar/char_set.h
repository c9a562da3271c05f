// char_set.h: sets of Unicode characters, as sorted ranges, and the bytes of a range in UTF-8.
#pragma once

#include <cstdint>
#include <vector>

namespace r1 {

// Ranges are sorted, apart, and hold no surrogates: no text has them.
class CharSet {
 public:
  static constexpr std::uint32_t kLast = 0x10FFFF;
  struct Range {
    std::uint32_t first, last;
  };

  CharSet() = default;
  CharSet(std::uint32_t first, std::uint32_t last) { append({first, last}); }
  explicit CharSet(std::vector<Range> ranges);  // in any order; for many at once: add() goes through all there are
  static CharSet all() { return {0, kLast}; }

  void add(std::uint32_t first, std::uint32_t last) { add(CharSet(first, last)); }
  void add(const CharSet& other);
  CharSet complement() const;
  CharSet without(const CharSet& other) const;

  bool contains(std::uint32_t c) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  void append(Range range);

  std::vector<Range> ranges_;
};

// Bytes that spell some characters of a range: one range for each place, all combinations.
struct Utf8Sequence {
  int n_bytes = 0;
  std::uint8_t first[4] = {}, last[4] = {};
};
std::vector<Utf8Sequence> utf8_sequences(CharSet::Range range);

}  // namespace r1
