// mapping_guard_test.cpp: a file that is cut short under its mapping ends no process, and is known to be broken.
#include "base/mapping_guard.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "base/mapped_file.h"
#include "base/temp_folder_for_tests.h"

namespace r1 {
namespace {

const auto kPage = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

char read(const MappedFile& file, std::size_t at) {
  return static_cast<char>(*static_cast<const volatile std::byte*>(file.bytes().data() + at));
}

TEST(MappingGuard, PagesThatAFileHasLostAreZerosAndItIsBroken) {
  const TempFolder folder;
  const std::string path = folder.write("cut", std::string(3 * kPage, 'x'));
  MappedFile file = *MappedFile::open(path);
  const MappedFile whole = *MappedFile::open(folder.write("whole", std::string(3 * kPage, 'y')));
  EXPECT_EQ(read(file, 2 * kPage), 'x');
  EXPECT_FALSE(file.is_broken());
  std::filesystem::resize_file(path, kPage);
  EXPECT_EQ(read(file, kPage - 1), 'x');
  EXPECT_FALSE(file.is_broken()) << "nothing that is gone was asked for";
  std::vector<std::thread> readers;  // at the same time
  for (std::size_t i = 0; i < 4; ++i)
    readers.emplace_back([&, i] { EXPECT_EQ(read(file, (1 + i % 2) * kPage + 17 * i), 0); });
  for (std::thread& reader : readers) reader.join();
  EXPECT_TRUE(file.is_broken());
  EXPECT_FALSE(whole.is_broken());
  EXPECT_EQ(read(whole, 2 * kPage), 'y');
  const MappedFile moved = std::move(file);
  EXPECT_TRUE(moved.is_broken());
}

TEST(MappingGuard, ItsPlaceIsTakenAgain) {
  const TempFolder folder;
  const std::string path = folder.write("file", std::string(2 * kPage, 'x'));
  for (int i = 0; i < 5000; ++i) {  // more than there are places
    const MappedFile file = *MappedFile::open(path);
    ASSERT_FALSE(file.is_broken());
  }
  const MappedFile file = *MappedFile::open(path);
  std::filesystem::resize_file(path, 0);
  EXPECT_EQ(read(file, 0), 0);
  EXPECT_TRUE(file.is_broken());
}

TEST(MappingGuardDeathTest, AMappingThatIsNotGuardedStillEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const TempFolder folder;
  const std::string path = folder.write("file", std::string(kPage, 'x'));
  const MappedFile guarded = *MappedFile::open(path);
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  const void* plain = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, descriptor, 0);
  std::filesystem::resize_file(path, 0);
  EXPECT_DEATH((void)*static_cast<const volatile char*>(plain), "");
  ::close(descriptor);
}

}  // namespace
}  // namespace r1
