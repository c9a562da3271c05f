// sha256_test.cpp: published vectors, and that the way the bytes are cut doesn't matter.
#include "base/sha256.h"

#include <string>

#include <gtest/gtest.h>

namespace r1 {
namespace {

std::string hash_of(HashKind kind, std::string_view text, std::size_t chunk) {
  Hasher hasher(kind, std::ssize(text));
  for (std::size_t at = 0; at < text.size(); at += chunk) {
    const std::string_view part = text.substr(at, chunk);
    hasher.update(std::as_bytes(std::span(part.data(), part.size())));
  }
  return hasher.finish().hex;
}

// FIPS 180-4 examples.
TEST(Sha256, GivesThePublishedVectors) {
  EXPECT_EQ(hash_of(HashKind::kSha256, "", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of(HashKind::kSha256, "abc", 1), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of(HashKind::kSha256, std::string(1000000, 'a'), 4096),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnHowTheBytesAreCut) {
  const std::string text(1000, 'x');
  const std::string whole = hash_of(HashKind::kSha256, text, text.size());
  for (const std::size_t chunk : {1u, 63u, 64u, 65u, 999u}) EXPECT_EQ(hash_of(HashKind::kSha256, text, chunk), whole);
}

// What `git hash-object` prints.
TEST(GitSha1, NamesAFileAsGitDoes) {
  EXPECT_EQ(hash_of(HashKind::kGitSha1, "", 1), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(hash_of(HashKind::kGitSha1, "hello\n", 2), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST(FileHash, RefusesTextThatIsNoHash) {
  EXPECT_FALSE(make_file_hash(HashKind::kSha256, "abc", "x").ok());
  EXPECT_FALSE(make_file_hash(HashKind::kSha256, std::string(64, 'g'), "x").ok());
  EXPECT_FALSE(make_file_hash(HashKind::kGitSha1, std::string(64, 'a'), "x").ok());
  EXPECT_FALSE(parse_file_hash("md5:" + std::string(32, 'a'), "x").ok());
}

TEST(FileHash, ParsesWhatItPrintsAndLowersLetters) {
  const FileHash hash = make_file_hash(HashKind::kSha256, std::string(64, 'A'), "x").value();
  EXPECT_EQ(hash.hex, std::string(64, 'a'));
  EXPECT_EQ(parse_file_hash(to_string(hash), "x").value(), hash);
}

}  // namespace
}  // namespace r1
