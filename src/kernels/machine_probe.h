// machine_probe.h: loops that do one thing as fast as this CPU can, to measure what a kernel could reach at best.
#pragma once

#include <cstddef>
#include <cstdint>

namespace r1 {

// Reads every byte once, in order; returns a sum, so that the reading can't be left out.
std::uint64_t probe_read(const std::byte* data, std::int64_t n_bytes);  // n_bytes: a multiple of 256

// What a probe did: a multiplication and an addition are two operations. The value is returned so that the work can't
// be left out.
struct ProbeRun {
  double n_ops = 0, value = 0;
};

// Independent fused multiply-adds on registers; products of bytes, added up in 32 bits, with the instructions of the
// matmul kernels.
ProbeRun probe_fma(std::int64_t n_rounds);
ProbeRun probe_int8(std::int64_t n_rounds);

}  // namespace r1
