// stop_strings.h: ends streamed text at the first stop string, without ever letting part of one through.
//
// Whatever way the stream is cut, the same comes out:
// 1. The stop string that is complete first ends the text; of several complete at the same character, the longest.
// 2. What comes out is the text before it. Text that may be the beginning of a stop string is held back.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops);  // empty ones never match

  std::string feed(std::string_view text);  // nothing once stopped
  std::string finish();                     // what was held back

  bool stopped() const { return matched_ >= 0; }
  std::string_view matched() const;  // the string that ended the text, "" before

 private:
  // One stop string and how much of it the text ends with (Knuth, Morris, Pratt).
  struct Matcher {
    std::string stop;
    std::vector<int> fallback;  // [stop.size()] length of the longest proper border of each prefix
    int n_matched = 0;
    bool advance(char c);  // true: complete
  };

  std::vector<Matcher> matchers_;
  std::string held_;
  int matched_ = -1;  // index into matchers_
};

}  // namespace r1
