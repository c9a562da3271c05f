// fair_queue.h: what waits, by account. Accounts take turns and each account's items keep their order: one with 500
// requests delays another's single one by at most one request for each account that waits, not by 500.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

namespace r1 {

template <typename T>
class FairQueue {
 public:
  // An account that has nothing waiting gets its turn after those that have.
  void push(std::uint64_t account, T item) {
    const auto is_its = [&](const Line& line) { return line.account == account; };
    auto line = std::find_if(lines_.begin(), lines_.end(), is_its);
    if (line == lines_.end()) line = lines_.insert(lines_.end(), Line{account, {}});
    line->items.push_back(std::move(item));
    ++size_;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }

  T& front() { return lines_.front().items.front(); }  // the oldest of the account whose turn it is

  // Takes front(); its account goes behind the others.
  T pop() {
    Line line = std::move(lines_.front());
    lines_.pop_front();
    T item = std::move(line.items.front());
    line.items.pop_front();
    if (!line.items.empty()) lines_.push_back(std::move(line));
    --size_;
    return item;
  }

  template <typename Predicate>
  void erase_if(Predicate predicate) {
    for (Line& line : lines_) size_ -= static_cast<int>(std::erase_if(line.items, predicate));
    std::erase_if(lines_, [](const Line& line) { return line.items.empty(); });
  }

  template <typename Visit>
  void for_each(Visit visit) {
    for (Line& line : lines_)
      for (T& item : line.items) visit(item);
  }

 private:
  struct Line {
    std::uint64_t account;
    std::deque<T> items;  // oldest first, not empty
  };
  std::deque<Line> lines_;  // the next turn first
  int size_ = 0;
};

}  // namespace r1
