// cores_test.cpp: lists of numbers as Linux writes them, and the policy of memory as it tells it back.
#include "base/cores.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Cores, ListsOfNumbersAreRead) {
  EXPECT_EQ(ids_in_list("0"), std::vector<int>({0}));
  EXPECT_EQ(ids_in_list("0-3,8,10-11"), std::vector<int>({0, 1, 2, 3, 8, 10, 11}));
}

TEST(Cores, WhatIsNoListIsEmpty) {
  for (const char* text : {"", "a", "1-", "3-1", "1,,2", "1 ", "-1", "0-99999999", "99999999999999999999"}) {
    EXPECT_TRUE(ids_in_list(text).empty()) << text;
  }
}

TEST(Cores, InTurnAreTheSameCores) {
  std::vector<int> cores = usable_cores(), in_turn = usable_cores_in_turn();
  std::sort(cores.begin(), cores.end());
  std::sort(in_turn.begin(), in_turn.end());
  EXPECT_EQ(in_turn, cores);
}

int memory_policy() {
  int policy = -1;
  EXPECT_EQ(::syscall(SYS_get_mempolicy, &policy, nullptr, 0UL, nullptr, 0UL), 0);
  return policy;
}

TEST(Cores, ThreadsStartedLaterSpreadTheirMemoryToo) {
  std::thread([] {
    if (const Status status = interleave_memory(); !status) GTEST_SKIP() << status.error().message;
    EXPECT_EQ(memory_policy(), MPOL_INTERLEAVE);
    std::thread([] { EXPECT_EQ(memory_policy(), MPOL_INTERLEAVE); }).join();
  }).join();
  EXPECT_EQ(memory_policy(), MPOL_DEFAULT);  // of this thread nothing has changed
}

}  // namespace
}  // namespace r1
