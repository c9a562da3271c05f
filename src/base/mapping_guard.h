// mapping_guard.h: a mapped file that is cut short, or whose disk fails, while it is read. The system then sends
// SIGBUS, which would end the process and all that others do in it. Here the missing page is replaced by one of zeros,
// and the mapping is broken from then on: who computes with it asks, and doesn't believe the result.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace r1 {

class MappingGuard {
 public:
  MappingGuard() = default;
  // The whole mapping. There is room for some thousand; what comes beyond is not guarded.
  explicit MappingGuard(std::span<const std::byte> mapping);
  MappingGuard(MappingGuard&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}
  MappingGuard& operator=(MappingGuard&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~MappingGuard();  // before the mapping goes

  bool is_broken() const;  // from any thread

 private:
  int slot_ = -1;
};

}  // namespace r1
