// fair_queue_test.cpp: the order of turns.
#include "engine/fair_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace r1 {
namespace {

std::string drain(FairQueue<char>& queue) {
  std::string order;
  while (!queue.empty()) order += queue.pop();
  return order;
}

TEST(FairQueue, OneAccountIsServedInOrder) {
  FairQueue<char> queue;
  for (const char c : std::string("abcd")) queue.push(7, c);
  EXPECT_EQ(queue.size(), 4);
  EXPECT_EQ(drain(queue), "abcd");
}

TEST(FairQueue, AccountsTakeTurns) {
  FairQueue<char> queue;
  for (const char c : std::string("abcd")) queue.push(1, c);
  for (const char c : std::string("xy")) queue.push(2, c);
  queue.push(3, '!');
  EXPECT_EQ(drain(queue), "ax!bycd");
}

TEST(FairQueue, ASingleRequestIsNotStarvedByFiveHundred) {
  FairQueue<int> queue;
  for (int i = 0; i < 500; ++i) queue.push(1, i);
  for (int i = 0; i < 100; ++i) queue.pop();
  queue.push(2, -1);
  queue.pop();  // the turn was the first account's already
  EXPECT_EQ(queue.pop(), -1);
}

TEST(FairQueue, FrontIsWhatPopTakes) {
  FairQueue<char> queue;
  for (const char c : std::string("ab")) queue.push(1, c);
  queue.push(2, 'x');
  for (const char expected : std::string("axb")) {
    EXPECT_EQ(queue.front(), expected);
    EXPECT_EQ(queue.pop(), expected);
  }
}

TEST(FairQueue, WhatIsErasedLeavesNoTurnBehind) {
  FairQueue<char> queue;
  queue.push(1, 'a');
  for (const char c : std::string("xy")) queue.push(2, c);
  queue.erase_if([](char c) { return c == 'a' || c == 'x'; });
  EXPECT_EQ(queue.size(), 1);
  std::string left;
  queue.for_each([&](char c) { left += c; });
  EXPECT_EQ(left, "y");
  EXPECT_EQ(drain(queue), "y");
}

}  // namespace
}  // namespace r1
