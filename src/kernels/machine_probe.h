// machine_probe.h: loops that do one thing as fast as this CPU can, to measure what a kernel could reach at best.
#pragma once

#include <cstddef>
#include <cstdint>

namespace r1 {

// Reads every byte once, in order; returns a sum, so that the reading can't be left out.
std::uint64_t probe_read(const std::byte* data, std::int64_t n_bytes);  // n_bytes: a multiple of 256

// Independent fused multiply-adds on registers; products of bytes, added up in 32 bits, with the instructions of the
// matmul kernels. Operations done: n_rounds times the constant, a multiplication and an addition counting as two.
inline constexpr std::int64_t kProbeFmaOps = 10 * 8 * 2, kProbeInt8Ops = 8 * 32 * 2;
float probe_fma(std::int64_t n_rounds);
std::int32_t probe_int8(std::int64_t n_rounds);

}  // namespace r1
