// expert_watch_test.cpp: what is counted are the bytes of a token's experts, and those of them that are in memory.
#include "engine/expert_watch.h"

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/mapped_file.h"

namespace r1 {
namespace {

// Pages nobody has touched are not in memory: the same question to the kernel as for pages of a file, without a disk.
class UntouchedPages {
 public:
  explicit UntouchedPages(std::int64_t n_pages) : size_(static_cast<std::size_t>(n_pages * page_bytes())) {
    void* made = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(made, MAP_FAILED);
    ::madvise(made, size_, MADV_NOHUGEPAGE);
    bytes_ = static_cast<std::byte*>(made);
  }
  UntouchedPages(const UntouchedPages&) = delete;
  UntouchedPages& operator=(const UntouchedPages&) = delete;
  ~UntouchedPages() { ::munmap(bytes_, size_); }

  static std::int64_t page_bytes() { return ::sysconf(_SC_PAGESIZE); }
  std::byte* page(std::int64_t i) const { return bytes_ + i * page_bytes(); }
  void touch(std::int64_t i) const { std::memset(page(i), 1, 1); }
  std::span<const std::byte> bytes() const { return {bytes_, size_}; }

 private:
  std::size_t size_;
  std::byte* bytes_ = nullptr;
};

TEST(ResidentBytes, AreThoseOfPagesThatAreInMemory) {
  const std::int64_t page = UntouchedPages::page_bytes(), n_pages = 5000;  // more than are asked for at a time
  const UntouchedPages pages(n_pages);
  EXPECT_EQ(resident_bytes(pages.bytes()), 0);
  for (const std::int64_t touched : {0, 3, 4095, 4096, 4999}) pages.touch(touched);
  EXPECT_EQ(resident_bytes(pages.bytes()), 5 * page);
  // A part that begins and ends within pages: the last 100 bytes of page 3, page 4, and the first 7 bytes of page 5.
  const std::span<const std::byte> part =
      pages.bytes().subspan(static_cast<std::size_t>(4 * page - 100), static_cast<std::size_t>(100 + page + 7));
  EXPECT_EQ(resident_bytes(part), 100);
  EXPECT_EQ(resident_bytes({}), 0);
}

// A layer without experts, and two with four experts of a page for each of the three matrices.
struct SparseModel {
  SparseModel() {
    model.config.n_layers = 3;
    model.config.route.n_routed_experts = 4;
    model.config.route.n_activated_experts = 2;
    model.weights.layers.resize(3);
    for (int layer = 1; layer < 3; ++layer) {
      for (int expert = 0; expert < 4; ++expert) {
        const std::int64_t first = (layer - 1) * 12 + expert * 3;
        model.weights.layers[static_cast<std::size_t>(layer)].experts.push_back(
            {.gate = weight(first), .up = weight(first + 1), .down = weight(first + 2)});
      }
    }
  }
  Weight weight(std::int64_t page) const {
    return {.data = pages.page(page), .dtype = Dtype::kF32, .shape = {1, UntouchedPages::page_bytes() / 4}};
  }
  void touch(int layer, int expert) const {
    for (int i = 0; i < 3; ++i) pages.touch((layer - 1) * 12 + expert * 3 + i);
  }

  UntouchedPages pages{24};
  Model model;
};

TEST(ExpertWatch, CountsTheExpertsOfOneTokenInOneLayer) {
  const SparseModel sparse;
  for (const int layer : {1, 2}) sparse.touch(layer, 1);
  ExpertWatch watch(sparse.model);
  ASSERT_TRUE(watch.begin_pass());
  const std::vector<std::int32_t> ids = {0, 1, 1, 3, 1, 2};  // three tokens: of each, expert 1 is in memory
  watch.routed(1, ids);
  watch.routed(2, ids);
  const std::int64_t page = UntouchedPages::page_bytes();
  EXPECT_EQ(watch.bytes().needed, 2 * 3 * page) << "of one of the layers";
  EXPECT_EQ(watch.bytes().resident, 3 * page);
  EXPECT_FALSE(watch.begin_pass()) << "not again so soon";
  watch.routed(1, ids);
  EXPECT_EQ(watch.bytes().needed, 2 * 3 * page);
}

TEST(ExpertWatch, WithoutExpertsNothingIsWatched) {
  Model dense;
  dense.config.n_layers = 2;
  dense.weights.layers.resize(2);
  ExpertWatch watch(dense);
  EXPECT_FALSE(watch.begin_pass());
}

}  // namespace
}  // namespace r1
