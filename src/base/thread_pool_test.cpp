// thread_pool_test.cpp: every task runs once, in every round, whatever the number of threads.
#include "base/thread_pool.h"

#include <sched.h>

#include <atomic>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "base/cores.h"

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

TEST(ThreadPool, PinnedWorkersStayEachOnACoreOfItsOwn) {
  const std::vector<int> cores = usable_cores();
  const auto n_threads = static_cast<int>(cores.size()) + 1;  // one more than there are cores: it shares the first
  ThreadPool pool(n_threads, ThreadPool::Placement::kPinned);
  std::vector<std::atomic<int>> core_of(static_cast<std::size_t>(n_threads));
  for (auto& core : core_of) core = -1;
  std::atomic<int> n_seen = 0;
  // A task a thread: each waits until all have come.
  pool.run(n_threads, [&](int, int thread) {
    cpu_set_t mask;
    ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
    if (thread > 0) {
      ASSERT_EQ(CPU_COUNT(&mask), 1);
      for (int core : cores) {
        if (CPU_ISSET(core, &mask)) core_of[static_cast<std::size_t>(thread)] = core;
      }
    } else {
      EXPECT_EQ(CPU_COUNT(&mask), static_cast<int>(cores.size()));
    }
    for (++n_seen; n_seen < n_threads;) std::this_thread::yield();
  });
  for (int thread = 1; thread < n_threads; ++thread) {
    EXPECT_EQ(core_of[static_cast<std::size_t>(thread)], cores[static_cast<std::size_t>(thread) % cores.size()]);
  }
}

// Workers outnumber the cores, so many come late: to a round that has ended, or to a later one with another body. A
// body and what it writes end with their round, so that one used afterwards is found by the sanitizers, and here by a
// count.
TEST(ThreadPool, AWorkerThatComesLateTakesNothingThatIsNotThere) {
  ThreadPool pool(4 * n_usable_cores() + 3);
  for (int round = 0; round < 2000; ++round) {
    const int n_tasks = 2 + round % 7;
    auto runs = std::make_unique<std::vector<std::atomic<int>>>(static_cast<std::size_t>(n_tasks));
    pool.run(n_tasks, [round, n_tasks, to = runs.get()](int task, int) {
      ASSERT_LT(task, n_tasks) << "in round " << round;
      (*to)[static_cast<std::size_t>(task)].fetch_add(1, std::memory_order_relaxed);
    });
    for (const std::atomic<int>& count : *runs) ASSERT_EQ(count.load(), 1) << "in round " << round;
  }
}

}  // namespace
}  // namespace r1
