// units_test.cpp: the edges where a unit or a digit changes.
#include "apps/units.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(FormatBytes, KeepsThreeDigitsAcrossTheEdgesOfUnits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(9996), "10.0 kB");
  EXPECT_EQ(format_bytes(99960), "100 kB");
  EXPECT_EQ(format_bytes(999'600), "1.00 MB");
  EXPECT_EQ(format_bytes(98'362'432), "98.4 MB");
  EXPECT_EQ(format_bytes(688'586'727'753), "689 GB");
}

TEST(FormatDuration, LooksLikeAClock) {
  EXPECT_EQ(format_duration(9), "0:09");
  EXPECT_EQ(format_duration(750), "12:30");
  EXPECT_EQ(format_duration(3907), "1:05:07");
}

}  // namespace
}  // namespace r1
