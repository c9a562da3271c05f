// thread_pool.cpp: rounds of tasks between one caller and its workers.
#include "base/thread_pool.h"

#include <sched.h>

#include "base/assert.h"

namespace r1 {
namespace {

// About 50 us on a current core: longer than the gap between two ops of a pass, far shorter than a person notices.
constexpr int kSpins = 4000;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

int n_usable_cores() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
  return CPU_COUNT(&mask) > 0 ? CPU_COUNT(&mask) : 1;
}

ThreadPool::ThreadPool(int n_threads) {
  R1_ASSERT(n_threads >= 1, "a pool has at least the calling thread");
  workers_.reserve(static_cast<std::size_t>(n_threads - 1));
  for (int thread = 1; thread < n_threads; ++thread) workers_.emplace_back([this, thread] { work(thread); });
}

ThreadPool::~ThreadPool() {
  closing_.store(true, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int n_tasks, Body body) {
  if (workers_.empty() || n_tasks <= 1) {
    for (int task = 0; task < n_tasks; ++task) body(task, 0);
    return;
  }
  body_ = &body;
  n_tasks_ = n_tasks;
  next_task_.store(0, std::memory_order_relaxed);
  n_busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  take_tasks(0);
  // Every worker passes through every round, so body_ may be replaced as soon as all have left this one.
  for (int spins = 0; n_busy_.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kSpins)
      pause_briefly();
    else
      std::this_thread::yield();
  }
}

void ThreadPool::take_tasks(int thread) {
  while (true) {
    const int task = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (task >= n_tasks_) return;
    (*body_)(task, thread);
  }
}

bool ThreadPool::wait_for_round(std::uint32_t seen) {
  for (int spins = 0; spins < kSpins; ++spins) {
    if (round_.load(std::memory_order_acquire) != seen) return !closing_.load(std::memory_order_relaxed);
    pause_briefly();
  }
  while (round_.load(std::memory_order_acquire) == seen) round_.wait(seen, std::memory_order_acquire);
  return !closing_.load(std::memory_order_relaxed);
}

void ThreadPool::work(int thread) {
  for (std::uint32_t seen = 0; wait_for_round(seen); ++seen) {
    take_tasks(thread);
    n_busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace r1
