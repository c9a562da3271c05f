// download_test.cpp: Content-Range. What servers do is tested in tests/e2e/pull_test.py.
#include "apps/download.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(ContentRange, ReadsWhatServersSend) {
  const ContentRange range = parse_content_range("bytes 10-99/100").value();
  EXPECT_EQ(range.first, 10);
  EXPECT_EQ(range.last, 99);
  EXPECT_EQ(range.total, 100);
  EXPECT_EQ(parse_content_range("bytes 10-99/*")->total, -1);
}

TEST(ContentRange, RefusesEverythingElse) {
  for (const char* text : {"", "bytes", "bytes ", "bytes */100", "bytes 10-9/100", "bytes 10-100/100", "bytes -5-9/100",
                           "bytes 10-99", "bytes 10-99/", "bytes 10-99/100 ", "bytes 10 - 99/100", "items 10-99/100",
                           "bytes 99999999999999999999-1/1", "bytes 0-1/x", "bytes 1-2/**"}) {
    EXPECT_FALSE(parse_content_range(text).ok()) << text;
  }
}

}  // namespace
}  // namespace r1
