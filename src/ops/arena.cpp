// arena.cpp: chunks that double, so that a pass settles on a few of them.
#include "ops/arena.h"

#include <algorithm>
#include <cstdlib>

#include "base/assert.h"

namespace r1 {

constexpr std::int64_t kFirstChunkBytes = std::int64_t{1} << 20;

void Arena::Free::operator()(std::byte* bytes) const { std::free(bytes); }

std::byte* Arena::allocate(std::int64_t n_bytes) {
  R1_ASSERT(n_bytes >= 0, "an arena hands out bytes");
  const std::int64_t size = (n_bytes + kAlignment - 1) / kAlignment * kAlignment;
  while (current_ < chunks_.size() && used_ + size > chunks_[current_].size) {
    ++current_;
    used_ = 0;
  }
  if (current_ == chunks_.size()) {
    const std::int64_t previous = chunks_.empty() ? kFirstChunkBytes / 2 : chunks_.back().size;
    const std::int64_t chunk_size = std::max(size, 2 * previous);
    auto* bytes = static_cast<std::byte*>(std::aligned_alloc(kAlignment, static_cast<std::size_t>(chunk_size)));
    R1_ASSERT(bytes != nullptr, "out of memory for the scratch of a pass");
    chunks_.push_back({std::unique_ptr<std::byte, Free>(bytes), chunk_size});
    used_ = 0;
  }
  std::byte* result = chunks_[current_].bytes.get() + used_;
  used_ += size;
  return result;
}

}  // namespace r1
