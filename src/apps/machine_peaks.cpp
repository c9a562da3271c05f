// machine_peaks.cpp: the probes of kernels/, on every thread at once, timed.
#include "apps/machine_peaks.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <vector>

#include "apps/statistics.h"
#include "base/assert.h"
#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "kernels/machine_probe.h"

namespace r1 {
namespace {

constexpr int kRuns = 7;
constexpr std::int64_t kReadBytes = std::int64_t{1} << 30;
constexpr double kRunSeconds = 0.05;

// Work per second, when each thread does `work` by calling body once.
double median_rate(ThreadPool& pool, double work, FunctionRef<void(int thread)> body) {
  std::vector<double> rates;
  for (int run = 0; run <= kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    pool.run(pool.n_threads(), [&](int task, int) { body(task); });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (run > 0) rates.push_back(work * pool.n_threads() / seconds);  // the first run warms up
  }
  return median(rates);
}

// Operations a second of all threads together.
double measure_ops(ThreadPool& pool, ProbeRun (*probe)(std::int64_t n_rounds)) {
  std::int64_t n_rounds = 1000;  // then as many as keep one thread busy for about kRunSeconds
  volatile double sink = 0;
  const auto seconds = [&] {
    const auto start = std::chrono::steady_clock::now();
    sink = probe(n_rounds).value;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  while (seconds() < kRunSeconds) n_rounds *= 2;
  return median_rate(pool, probe(n_rounds).n_ops, [&](int) { probe(n_rounds); });
}

double measure_read(ThreadPool& pool) {
  void* memory = ::mmap(nullptr, kReadBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  (void)::madvise(memory, kReadBytes, MADV_HUGEPAGE);  // as models are mapped: else these pages would be the limit
  auto* data = static_cast<std::byte*>(memory);
  const std::int64_t share = kReadBytes / pool.n_threads() / 4096 * 4096;
  pool.run(pool.n_threads(),
           [&](int task, int) { std::memset(data + task * share, task + 1, static_cast<std::size_t>(share)); });
  std::atomic<std::uint64_t> sum = 0;
  const double rate = median_rate(pool, static_cast<double>(share),
                                  [&](int thread) { sum += probe_read(data + thread * share, share); });
  ::munmap(memory, kReadBytes);
  R1_ASSERT(sum != 1, "keeps the reading alive");
  return rate;
}

}  // namespace

MachinePeaks measure_machine(int n_threads) {
  ThreadPool pool(n_threads);
  return {.n_threads = n_threads,
          .read_bytes_per_s = measure_read(pool),
          .f32_ops_per_s = measure_ops(pool, probe_fma),
          .int8_ops_per_s = measure_ops(pool, probe_int8)};
}

std::string cpu_name() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

}  // namespace r1
