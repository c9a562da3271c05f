// http_get_test.cpp: the rules about addresses. What servers do is tested in tests/e2e/pull_test.py.
#include "apps/http_get.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(CheckRedirect, GoesToTlsButNeverBackExceptToThisMachine) {
  EXPECT_TRUE(check_redirect("http://a/x", "http://b/y").ok());
  EXPECT_TRUE(check_redirect("http://a/x", "https://b/y").ok());
  EXPECT_TRUE(check_redirect("https://a/x", "https://b/y").ok());
  EXPECT_FALSE(check_redirect("https://a/x", "http://a/x").ok());
  EXPECT_TRUE(check_redirect("https://a/x", "http://localhost:80/x").ok());
  EXPECT_TRUE(check_redirect("https://a/x", "http://127.0.0.1/x").ok());
  EXPECT_TRUE(check_redirect("https://a/x", "http://[::1]:9/x").ok());
  EXPECT_FALSE(check_redirect("https://a/x", "http://127.0.0.1.evil.com/x").ok());
  EXPECT_FALSE(check_redirect("https://a/x", "http://localhost.evil.com/x").ok());
  EXPECT_FALSE(check_redirect("https://a/x", "http://localhost@evil.com/x").ok());
}

TEST(CheckRedirect, KnowsNoOtherSchemes) {
  for (const char* to : {"file:///etc/passwd", "ftp://a/x", "gopher://a/x", "dict://a/x", "", "javascript:x"}) {
    EXPECT_FALSE(check_redirect("http://a/x", to).ok()) << to;
    EXPECT_FALSE(check_redirect("https://a/x", to).ok()) << to;
  }
}

TEST(ResolveUrl, FollowsTheRulesForRelativeReferences) {
  EXPECT_EQ(resolve_url("https://h/simple/pkg/", "../../files/p.whl").value(), "https://h/files/p.whl");
  EXPECT_EQ(resolve_url("https://h/a/b?q", "/c?d=1").value(), "https://h/c?d=1");
  EXPECT_EQ(resolve_url("https://h/a/b", "https://i/c").value(), "https://i/c");
  EXPECT_EQ(resolve_url("https://h/a/b", "//i/c").value(), "https://i/c");
}

TEST(ShownUrl, HidesPasswordsAndSignatures) {
  EXPECT_EQ(shown_url("https://user:secret@h/a?X-Signature=abc#f"), "https://h/a");
  EXPECT_EQ(shown_url("https://h/a@b/c"), "https://h/a@b/c");
  EXPECT_EQ(shown_url("https://user:p@ss@h"), "https://h");
}

TEST(PercentEncodePath, KeepsSlashesAndNothingThatMeansSomethingElse) {
  EXPECT_EQ(percent_encode_path("a/b-c_d.e~1"), "a/b-c_d.e~1");
  EXPECT_EQ(percent_encode_path("a b?c#d%e"), "a%20b%3Fc%23d%25e");
  EXPECT_EQ(percent_encode_path("\xc3\xa9"), "%C3%A9");
}

}  // namespace
}  // namespace r1
