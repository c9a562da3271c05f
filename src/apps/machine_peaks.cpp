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

// Rounds that keep one thread busy for about kRunSeconds, whatever the instruction set.
std::int64_t enough_rounds(FunctionRef<void(std::int64_t n_rounds)> probe) {
  for (std::int64_t n_rounds = 1000;; n_rounds *= 2) {
    const auto start = std::chrono::steady_clock::now();
    probe(n_rounds);
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > kRunSeconds) return n_rounds;
  }
}

double measure_read(ThreadPool& pool) {
  void* memory = ::mmap(nullptr, kReadBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
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
  MachinePeaks peaks{.n_threads = n_threads, .read_bytes_per_s = measure_read(pool)};
  volatile float f32_sink = 0;
  volatile std::int32_t int8_sink = 0;
  const std::int64_t fma_rounds = enough_rounds([&](std::int64_t n) { f32_sink = probe_fma(n); });
  const std::int64_t int8_rounds = enough_rounds([&](std::int64_t n) { int8_sink = probe_int8(n); });
  peaks.f32_ops_per_s =
      median_rate(pool, static_cast<double>(fma_rounds * kProbeFmaOps), [&](int) { probe_fma(fma_rounds); });
  peaks.int8_ops_per_s =
      median_rate(pool, static_cast<double>(int8_rounds * kProbeInt8Ops), [&](int) { probe_int8(int8_rounds); });
  return peaks;
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
