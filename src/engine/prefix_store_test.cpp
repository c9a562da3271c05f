// prefix_store_test.cpp: what was written is found after a restart, and nothing else is ever used.
#include "engine/prefix_store.h"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlockBytes = 1000;
constexpr std::int64_t kFileBytes = 1148;

std::vector<std::byte> block_of(int seed) {
  std::vector<std::byte> block(kBlockBytes);
  for (std::size_t i = 0; i < block.size(); ++i)
    block[i] = static_cast<std::byte>(i * 7 + static_cast<std::size_t>(seed));
  return block;
}

PrefixName name_of(int i) { return prefix_root("a block", static_cast<std::uint64_t>(i)); }

class PrefixStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/r1_prefix_store_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<PrefixStore> open(std::int64_t max_bytes = 1 << 20, const std::string& model = "one model") const {
    auto store = PrefixStore::open({folder_, max_bytes, kBlockBytes, prefix_root(model, 0)});
    EXPECT_TRUE(store.ok()) << store.error().message;
    return std::move(store).value();
  }
  std::string file(int i) const { return folder_ + "/" + name_of(i) + ".kv"; }
  static bool reads(PrefixStore& store, int i) {
    std::vector<std::byte> block(kBlockBytes);
    if (!store.read(name_of(i), block)) return false;
    EXPECT_EQ(block, block_of(i));
    return true;
  }
  std::ptrdiff_t n_files() const { return std::distance(fs::directory_iterator(folder_), fs::directory_iterator()); }

  std::string folder_;
};

TEST_F(PrefixStoreTest, WhatWasWrittenSurvivesARestart) {
  {
    const auto store = open();
    for (int i = 0; i < 5; ++i) store->write(name_of(i), block_of(i));
  }
  const auto store = open();
  EXPECT_EQ(store->bytes(), 5 * kFileBytes);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(reads(*store, i));
  EXPECT_FALSE(reads(*store, 5));
}

// Every byte matters: of the first line, of the name, of the content; and the length.
TEST_F(PrefixStoreTest, AChangedFileIsDeletedAndNeverUsed) {
  open()->write(name_of(1), block_of(1));
  std::string good(kFileBytes, '\0');
  std::ifstream(file(1)).read(good.data(), kFileBytes);
  const auto becomes_nothing = [&](const std::string& contents, int i) {
    const auto store = open();  // the index has it: the change comes while the store runs
    store->write(name_of(i), block_of(i));
    while (!fs::exists(file(i))) std::this_thread::yield();
    std::ofstream(file(i), std::ios::binary | std::ios::trunc) << contents;
    return !reads(*store, i) && !fs::exists(file(i)) && !store->has(name_of(i));
  };
  for (std::size_t at = 0; at < good.size(); at += 101) {
    std::string bad = good;
    bad[at] ^= 1;
    EXPECT_TRUE(becomes_nothing(bad, 1)) << "byte " << at;
  }
  EXPECT_TRUE(becomes_nothing(good.substr(0, good.size() - 1), 1)) << "cut short";
  EXPECT_TRUE(becomes_nothing("", 1)) << "empty";
  EXPECT_TRUE(becomes_nothing(good, 2)) << "the content of another name";
}

TEST_F(PrefixStoreTest, AtTheStartWhatIsOfNoUseIsDeletedAndWhatIsNotOursIsLeft) {
  open()->write(name_of(1), block_of(1));
  fs::copy_file(file(1), file(2));
  fs::resize_file(file(2), 500);
  std::ofstream(folder_ + "/" + name_of(3) + ".kv.partial") << "a crash";
  std::ofstream(folder_ + "/notes.txt") << "somebody's";
  EXPECT_TRUE(reads(*open(), 1));
  EXPECT_EQ(n_files(), 2);
  EXPECT_FALSE(reads(*open(1 << 20, "another model"), 1));
  EXPECT_EQ(n_files(), 1) << "only the notes";
}

TEST_F(PrefixStoreTest, TheLeastRecentlyUsedGoWhenTheBytesAreSpent) {
  {
    const auto store = open(3 * kFileBytes + 10);
    for (int i = 0; i < 3; ++i) store->write(name_of(i), block_of(i));
    while (!fs::exists(file(0))) std::this_thread::yield();
    EXPECT_TRUE(reads(*store, 0));
    store->write(name_of(3), block_of(3));
    EXPECT_FALSE(store->has(name_of(1)));
    EXPECT_EQ(store->bytes(), 3 * kFileBytes);
  }
  EXPECT_EQ(n_files(), 3);
  const auto smaller = open(kFileBytes);
  EXPECT_EQ(smaller->bytes(), kFileBytes);
  EXPECT_EQ(n_files(), 1);
}

// A limit on file sizes fails writes midway, as a full disk does.
TEST_F(PrefixStoreTest, AFullDiskCostsOnlyWhatWasNotWritten) {
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  {
    const auto store = open();
    const rlimit tight{600, old.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (int i = 0; i < 3; ++i) store->write(name_of(i), block_of(i));
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(n_files(), 0) << "nothing half written stays";
  const auto store = open();
  EXPECT_FALSE(reads(*store, 0));
  store->write(name_of(0), block_of(0));
  while (!fs::exists(file(0))) std::this_thread::yield();
  EXPECT_TRUE(reads(*store, 0));
}

TEST_F(PrefixStoreTest, AFolderThatCannotBeUsedIsAnError) {
  std::ofstream(folder_ + "/file") << "";
  for (const std::string& folder : {folder_ + "/file", folder_ + "/file/below"}) {
    const auto store = PrefixStore::open({folder, 1 << 20, kBlockBytes, prefix_root("m", 0)});
    ASSERT_FALSE(store.ok());
    EXPECT_NE(store.error().message.find(folder), std::string::npos);
  }
  const auto tiny = PrefixStore::open({folder_, 100, kBlockBytes, prefix_root("m", 0)});
  ASSERT_FALSE(tiny.ok());
  EXPECT_NE(tiny.error().message.find("100 bytes are allowed, a block of this model takes 1148"), std::string::npos);
}

}  // namespace
}  // namespace r1
