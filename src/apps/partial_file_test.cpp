// partial_file_test.cpp: what is kept, what is cut off, and what gets its name.
#include "apps/partial_file.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

FileHash sha256_of(std::string_view text) {
  Hasher hasher(HashKind::kSha256, std::ssize(text));
  hasher.update(bytes_of(text));
  return hasher.finish();
}

class PartialFileTest : public testing::Test {
 protected:
  PartialFileTest() {
    std::string pattern = testing::TempDir() + "r1_partial_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~PartialFileTest() override { fs::remove_all(folder_); }

  Result<PartialFile> open(std::string_view content) {
    return PartialFile::open({path(), std::ssize(content), sha256_of(content)}, [](std::int64_t) {});
  }
  // What a run leaves that ended after `synced`, with `beyond` written but not yet promised.
  void leave(std::string_view content, std::string_view synced, std::string_view beyond) {
    auto partial = open(content);
    partial->set_origin("http://u", "\"e\"");
    ASSERT_TRUE(partial->append(bytes_of(synced)).ok());
    ASSERT_TRUE(partial->sync().ok());
    ASSERT_TRUE(partial->append(bytes_of(beyond)).ok());
  }
  std::string path() const { return folder_ + "/file"; }
  std::string on_disk(const std::string& suffix = "") { return read_file(path() + suffix, 1 << 20).value(); }
  bool is_clean() const { return !file_exists(path() + ".partial") && !file_exists(path() + ".partial.json"); }

  std::string folder_;
};

TEST_F(PartialFileTest, GetsItsNameWhenTheHashIsRight) {
  auto partial = open("hello world");
  ASSERT_TRUE(partial->append(bytes_of("hello ")).ok());
  EXPECT_FALSE(file_exists(path()));
  ASSERT_TRUE(partial->append(bytes_of("world")).ok());
  ASSERT_TRUE(partial->commit().ok());
  EXPECT_EQ(on_disk(), "hello world");
  EXPECT_TRUE(is_clean());
}

TEST_F(PartialFileTest, ContinuesFromWhatWasSyncedAndCutsOffTheRest) {
  leave("hello world", "hello ", "worXX");
  auto partial = open("hello world");
  EXPECT_EQ(partial->bytes(), 6);
  EXPECT_EQ(on_disk(".partial"), "hello ");
  EXPECT_EQ(partial->etag_from("http://u"), "\"e\"");
  EXPECT_EQ(partial->etag_from("http://other"), "") << "an ETag means nothing on another server";
  ASSERT_TRUE(partial->append(bytes_of("world")).ok());
  ASSERT_TRUE(partial->commit().ok());
  EXPECT_EQ(on_disk(), "hello world");
}

TEST_F(PartialFileTest, StartsOverWhenItWasToBecomeAnotherFile) {
  leave("hello world", "hello ", "");
  EXPECT_EQ(open("hello earth").value().bytes(), 0);
  leave("hello world", "hello ", "");
  EXPECT_EQ(open("hello world!").value().bytes(), 0);
}

TEST_F(PartialFileTest, StartsOverWithoutATrustworthySidecar) {
  for (const char* text : {"", "{", "[]", "{\"synced_bytes\": -1}", "{\"synced_bytes\": 12, \"bytes\": 11}"}) {
    leave("hello world", "hello ", "");
    ASSERT_TRUE(write_file_atomically(path() + ".partial.json", text).ok());
    EXPECT_EQ(open("hello world").value().bytes(), 0) << text;
  }
}

TEST_F(PartialFileTest, TrustsTheFileMoreThanAPromiseThatIsLonger) {
  leave("hello world", "hello ", "");
  fs::resize_file(path() + ".partial", 2);
  EXPECT_EQ(open("hello world").value().bytes(), 2);
}

TEST_F(PartialFileTest, DeletesAWrongContentAndNamesBothHashes) {
  auto partial = open("hello world");
  ASSERT_TRUE(partial->append(bytes_of("hello earth")).ok());
  const Status status = partial->commit();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find(sha256_of("hello earth").hex), std::string::npos);
  EXPECT_NE(status.error().message.find(sha256_of("hello world").hex), std::string::npos);
  EXPECT_FALSE(file_exists(path()));
  EXPECT_TRUE(is_clean());
}

TEST_F(PartialFileTest, TakesNoMoreThanItsLength) {
  auto partial = open("hello");
  EXPECT_FALSE(partial->append(bytes_of("hello!")).ok());
  EXPECT_EQ(partial->bytes(), 0);
}

TEST_F(PartialFileTest, RestartForgetsBytesHashAndPromise) {
  leave("hello world", "XXXXXX", "");
  auto partial = open("hello world");
  ASSERT_TRUE(partial->restart().ok());
  EXPECT_EQ(read_json_file(path() + ".partial.json")->at("synced_bytes"), 0);
  ASSERT_TRUE(partial->append(bytes_of("hello world")).ok());
  EXPECT_TRUE(partial->commit().ok());
}

TEST_F(PartialFileTest, FollowsNoLinkThatWaitsInItsPlace) {
  ASSERT_TRUE(write_file_atomically(folder_ + "/precious", "x").ok());
  fs::create_symlink(folder_ + "/precious", path() + ".partial");
  EXPECT_FALSE(open("hello").ok());
  EXPECT_EQ(read_file(folder_ + "/precious", 10).value(), "x");
}

TEST_F(PartialFileTest, AnEmptyFileNeedsNoBytes) {
  auto partial = open("");
  EXPECT_TRUE(partial->commit().ok());
  EXPECT_EQ(on_disk(), "");
}

}  // namespace
}  // namespace r1
