// instruction_set.h: what each instruction set provides, and which of them this CPU has.
//
// Sets with fused multiply-add (all but SSE4) give the same bits: matmul_test.cpp and float_ops_test.cpp see to that.
#pragma once

#include <span>
#include <string_view>

#include "kernels/float_ops.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/machine_probe.h"

namespace r1 {

struct InstructionSet {
  std::string_view name;  // "AVX2", as instruction_set() gives it
  std::string_view isa;   // "avx2", as R1_ISA names it

  void (*matmul[kDtypeCount])(const MatmulArgs& args) = {};  // null: never multiplied
  void (*quantize_activation)(ActivationFormat format, const float* x, std::byte* dst, std::int64_t n_cols) = nullptr;

  void (*widen_f16)(const std::byte* src, float* dst, std::int64_t n_values) = nullptr;   // dequantize of F16
  void (*widen_bf16)(const std::byte* src, float* dst, std::int64_t n_values) = nullptr;  // and of BF16

  // float_ops.h
  float (*dot)(const float* a, const float* b, std::int64_t n) = nullptr;
  float (*dot3)(const float* a, const float* b, const float* c, std::int64_t n) = nullptr;
  float (*max_value)(const float* x, std::int64_t n) = nullptr;
  void (*add)(const float* a, const float* b, float* y, std::int64_t n) = nullptr;
  void (*scale)(float* x, float factor, std::int64_t n) = nullptr;
  void (*add_scaled)(const float* x, float factor, float* y, std::int64_t n) = nullptr;
  void (*add_scaled_product)(const float* a, const float* b, float factor, float* y, std::int64_t n) = nullptr;
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, std::int64_t n) = nullptr;
  float (*exp_and_sum)(float* x, float shift, std::int64_t n) = nullptr;
  void (*sigmoid)(float* x, std::int64_t n) = nullptr;
  void (*silu_mul)(const float* gate, const float* up, float* y, std::int64_t n) = nullptr;
  void (*accumulate_rows)(const AccumulateArgs& args) = nullptr;

  // gemm.h; n_k is 1 or more
  int gemm_panel_lines = 0;
  void (*gemm_pack)(const GemmOperand& b, float* packed) = nullptr;
  void (*gemm)(const GemmArgs& args) = nullptr;

  // machine_probe.h
  std::uint64_t (*probe_read)(const std::byte* data, std::int64_t n_bytes) = nullptr;
  ProbeRun (*probe_fma)(std::int64_t n_rounds) = nullptr;
  ProbeRun (*probe_int8)(std::int64_t n_rounds) = nullptr;
};

// Those this CPU can run, the slowest (plain C++) first.
std::span<const InstructionSet* const> usable_instruction_sets();

// The last of them, or the one R1_ISA names if it is usable. Chosen once.
const InstructionSet& chosen_instruction_set();

}  // namespace r1
