// thread_pool_test.cpp: every task runs once, in every round, whatever the number of threads.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(ThreadPool, RunsEveryTaskOnceInManyRounds) {
  for (int n_threads : {1, 2, 5}) {
    ThreadPool pool(n_threads);
    for (int round = 0; round < 500; ++round) {
      std::vector<int> runs(static_cast<std::size_t>(round % 17), 0);
      pool.run(static_cast<int>(runs.size()), [&](int task, int thread) {
        EXPECT_LT(thread, n_threads);
        ++runs[static_cast<std::size_t>(task)];
      });
      for (int count : runs) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ThreadPool, WakesAfterSleeping) {
  ThreadPool pool(3);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // longer than the workers spin
    std::atomic<int> sum = 0;
    pool.run(100, [&](int task, int) { sum += task; });
    EXPECT_EQ(sum, 4950);
  }
}

}  // namespace
}  // namespace r1
