// machine_peaks.h: this machine's limits, measured: against them speed is spoken of.
#pragma once

#include <string>

namespace r1 {

struct MachinePeaks {
  int n_threads = 1;
  double read_bytes_per_s = 0;  // memory far larger than the caches, all threads together
  double f32_ops_per_s = 0;     // fused multiply-adds, two operations each
  double int8_ops_per_s = 0;    // byte products summed in 32 bits, two operations each
};

// Medians of several short runs; a few seconds, and 1 GiB of memory while it works.
MachinePeaks measure_machine(int n_threads);

std::string cpu_name();  // from /proc/cpuinfo; "" where it doesn't say

}  // namespace r1
