// thread_pool.h: the compute threads. One op's rows are cut into tasks; the threads and the caller take them in turn.
//
// Workers spin for a moment after an op, because the next one comes within microseconds while a model runs, and sleep
// when nothing comes. Which thread runs a task is not determined, so a task must write only what belongs to it: then
// results don't depend on the number of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace r1 {

class ThreadPool {
 public:
  using Body = FunctionRef<void(int task, int thread)>;  // thread: 0 to n_threads() - 1, for scratch memory

  enum class Placement : std::uint8_t {
    kFree,    // threads run where the system puts them
    kPinned,  // each worker stays on one core of usable_cores(); the first core is left to the caller, who may roam
    kSpread,  // the same, of usable_cores_in_turn(): threads sit at all nodes of memory
  };

  explicit ThreadPool(int n_threads, Placement placement = Placement::kFree);  // the caller counts as one
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs body(task, thread) for every task in [0, n_tasks); returns when all are done. One caller at a time; not from
  // inside a body.
  void run(int n_tasks, Body body);

 private:
  void work(int thread);
  void take_tasks(int thread);
  std::uint32_t wait_for_round(std::uint32_t seen) const;  // the number of the round that has begun since

  std::vector<std::thread> workers_;
  // Read only by who holds a task that is not yet counted as done: the round cannot end before, so both stay.
  const Body* body_ = nullptr;
  // Apart, so that threads claiming tasks don't disturb those that spin on round_.
  alignas(64) std::atomic<std::uint32_t> round_ = 0;
  // Upper half: the round's number of tasks; lower half: the next one. One word, so that a worker that comes late, in
  // another round than it was woken for, gets either a task of the round that runs or none.
  alignas(64) std::atomic<std::uint64_t> tickets_ = 0;
  alignas(64) std::atomic<int> n_done_ = 0;  // tasks of this round that have ended
  std::atomic<bool> closing_ = false;
};

}  // namespace r1
