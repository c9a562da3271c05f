// arena.h: scratch memory of one pass. Allocation is a pointer bump; what was taken since a mark is given back at once.
//
// Memory stays with the arena between passes, so decoding allocates nothing once it runs. One thread uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace r1 {

class Arena {
 public:
  static constexpr std::int64_t kAlignment = 64;  // a cache line, and the widest vector

  // Uninitialised; valid until a release() to a mark taken before.
  std::byte* allocate(std::int64_t n_bytes);
  float* allocate_floats(std::int64_t n) { return reinterpret_cast<float*>(allocate(n * 4)); }

  struct Mark {
    std::size_t chunk = 0;
    std::int64_t used = 0;
  };
  Mark mark() const { return {current_, used_}; }
  void release(Mark mark) { current_ = mark.chunk, used_ = mark.used; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const;
  };
  struct Chunk {
    std::unique_ptr<std::byte, Free> bytes;
    std::int64_t size = 0;
  };
  std::vector<Chunk> chunks_;
  std::size_t current_ = 0;  // chunk being filled
  std::int64_t used_ = 0;    // bytes of it
};

// Gives back at the end of a scope what was allocated within it.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.release(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

}  // namespace r1
