// thread_pool.cpp: rounds of tasks between one caller and its workers.
#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include "base/assert.h"
#include "base/cores.h"

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

// A system that refuses leaves the thread free: slower perhaps, never wrong.
void stay_on(std::thread& thread, int core) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  (void)pthread_setaffinity_np(thread.native_handle(), sizeof one, &one);
}

}  // namespace

ThreadPool::ThreadPool(int n_threads, Placement placement) {
  R1_ASSERT(n_threads >= 1, "a pool has at least the calling thread");
  workers_.reserve(static_cast<std::size_t>(n_threads - 1));
  for (int thread = 1; thread < n_threads; ++thread) workers_.emplace_back([this, thread] { work(thread); });
  if (placement == Placement::kFree) return;
  const std::vector<int> cores = placement == Placement::kSpread ? usable_cores_in_turn() : usable_cores();
  for (std::size_t i = 0; i < workers_.size(); ++i) stay_on(workers_[i], cores[(i + 1) % cores.size()]);
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
  n_done_.store(0, std::memory_order_relaxed);
  tickets_.store(static_cast<std::uint64_t>(n_tasks) << 32, std::memory_order_release);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  take_tasks(0);
  // For tasks, not for workers: one that has not come in time holds nothing up.
  for (int spins = 0; n_done_.load(std::memory_order_acquire) != n_tasks; ++spins) {
    if (spins < kSpins)
      pause_briefly();
    else
      std::this_thread::yield();
  }
}

void ThreadPool::take_tasks(int thread) {
  int n_taken = 0;
  while (true) {
    const std::uint64_t ticket = tickets_.fetch_add(1, std::memory_order_acquire);
    const auto task = static_cast<std::uint32_t>(ticket), n_tasks = static_cast<std::uint32_t>(ticket >> 32);
    if (task >= n_tasks) break;
    (*body_)(static_cast<int>(task), thread);
    ++n_taken;
  }
  // All at once: until they are counted the round cannot end, so they are of one round.
  if (n_taken > 0) n_done_.fetch_add(n_taken, std::memory_order_release);
}

std::uint32_t ThreadPool::wait_for_round(std::uint32_t seen) const {
  for (int spins = 0; spins < kSpins; ++spins) {
    if (const std::uint32_t round = round_.load(std::memory_order_acquire); round != seen) return round;
    pause_briefly();
  }
  while (round_.load(std::memory_order_acquire) == seen) round_.wait(seen, std::memory_order_acquire);
  return round_.load(std::memory_order_acquire);
}

void ThreadPool::work(int thread) {
  std::uint32_t round = wait_for_round(0);
  while (!closing_.load(std::memory_order_relaxed)) {
    take_tasks(thread);
    round = wait_for_round(round);
  }
}

}  // namespace r1
