// kernel_table.cpp: chooses the instruction set once and answers for kernels.h and float_ops.h with it.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "base/assert.h"
#include "kernels/activation.h"
#include "kernels/codec.h"
#include "kernels/formats.h"
#include "kernels/instruction_set.h"
#include "kernels/machine_probe.h"
#include "kernels/sets.h"

namespace r1 {
namespace {

template <typename Format>
constexpr DtypeKernels block_kernels() {
  return {.activation = Format::kBlockValues == 32 ? ActivationFormat::kQ8_32 : ActivationFormat::kQ8_256,
          .dequantize = dequantize_blocks<Format>,
          .quantize = quantize_blocks<Format>};
}

template <typename Format>
constexpr DtypeKernels float_kernels() {
  return {.activation = ActivationFormat::kF32,
          .dequantize = dequantize_floats<Format>,
          .quantize = quantize_floats<Format>};
}

using KernelTable = std::array<DtypeKernels, kDtypeCount>;

template <typename... Formats>
KernelTable make_table(FormatList<Formats...>) {
  KernelTable table{};
  ((table[static_cast<std::size_t>(Formats::kDtype)] = block_kernels<Formats>()), ...);
  table[static_cast<std::size_t>(Dtype::kF32)] = float_kernels<F32>();
  table[static_cast<std::size_t>(Dtype::kF16)] = float_kernels<F16>();
  table[static_cast<std::size_t>(Dtype::kBF16)] = float_kernels<BF16>();
  table[static_cast<std::size_t>(Dtype::kF8E4M3)] = float_kernels<F8E4M3>();
  table[static_cast<std::size_t>(Dtype::kF16)].dequantize = chosen_instruction_set().widen_f16;
  table[static_cast<std::size_t>(Dtype::kBF16)].dequantize = chosen_instruction_set().widen_bf16;
  for (int i = 0; i < kDtypeCount; ++i) table[static_cast<std::size_t>(i)].matmul = chosen_instruction_set().matmul[i];
  return table;
}

std::vector<const InstructionSet*> find_usable() {
  std::vector<const InstructionSet*> usable = {&kPortable};
#if R1_X86
  // libgcc's __builtin_cpu_supports also asks whether the operating system saves the registers.
  if (__builtin_cpu_supports("sse4.2")) usable.push_back(&kSse4);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
      __builtin_cpu_supports("bmi2")) {
    usable.push_back(&kAvx2);
    if (const InstructionSet* avx_vnni = avx_vnni_set()) usable.push_back(avx_vnni);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")) {
      usable.push_back(&kAvx512);
      if (const InstructionSet* amx = amx_set()) usable.push_back(amx);
    }
  }
#elif R1_ARM64
  usable.push_back(&kNeon);
#endif
  return usable;
}

const InstructionSet& choose() {
  const auto usable = usable_instruction_sets();
  const char* wanted = std::getenv("R1_ISA");
  if (wanted != nullptr) {
    for (const InstructionSet* set : usable) {
      if (set->isa == wanted) return *set;
    }
  }
  return *usable.back();
}

}  // namespace

std::span<const InstructionSet* const> usable_instruction_sets() {
  static const std::vector<const InstructionSet*> usable = find_usable();
  return usable;
}

const InstructionSet& chosen_instruction_set() {
  static const InstructionSet& chosen = choose();
  return chosen;
}

std::string_view instruction_set() { return chosen_instruction_set().name; }

const DtypeKernels& kernels(Dtype dtype) {
  static const KernelTable table = make_table(BlockFormats{});
  return table[static_cast<std::size_t>(dtype)];
}

std::int64_t activation_row_bytes(ActivationFormat format, std::int64_t n_cols) {
  std::int64_t bytes = n_cols * std::int64_t{sizeof(float)};
  if (format == ActivationFormat::kQ8_32) bytes = Q8_32Row::bytes(n_cols);
  if (format == ActivationFormat::kQ8_256) bytes = Q8_256Row::bytes(n_cols);
  return (bytes + kActivationAlignment - 1) / kActivationAlignment * kActivationAlignment;
}

void quantize_activation(ActivationFormat format, const float* x, std::byte* dst, std::int64_t n_cols) {
  R1_DCHECK(format != ActivationFormat::kQ8_32 || n_cols % 32 == 0);
  R1_DCHECK(format != ActivationFormat::kQ8_256 || n_cols % 256 == 0);
  chosen_instruction_set().quantize_activation(format, x, dst, n_cols);
}

float dot(const float* a, const float* b, std::int64_t n) { return chosen_instruction_set().dot(a, b, n); }
float dot3(const float* a, const float* b, const float* c, std::int64_t n) {
  return chosen_instruction_set().dot3(a, b, c, n);
}
float max_value(const float* x, std::int64_t n) { return chosen_instruction_set().max_value(x, n); }
void add(const float* a, const float* b, float* y, std::int64_t n) { chosen_instruction_set().add(a, b, y, n); }
void scale(float* x, float factor, std::int64_t n) { chosen_instruction_set().scale(x, factor, n); }
void add_scaled(const float* x, float factor, float* y, std::int64_t n) {
  chosen_instruction_set().add_scaled(x, factor, y, n);
}
void add_scaled_product(const float* a, const float* b, float factor, float* y, std::int64_t n) {
  chosen_instruction_set().add_scaled_product(a, b, factor, y, n);
}
void rms_norm(const float* x, const float* weight, float eps, float* y, std::int64_t n) {
  chosen_instruction_set().rms_norm(x, weight, eps, y, n);
}
float exp_and_sum(float* x, float shift, std::int64_t n) { return chosen_instruction_set().exp_and_sum(x, shift, n); }
void sigmoid(float* x, std::int64_t n) { chosen_instruction_set().sigmoid(x, n); }
void silu_mul(const float* gate, const float* up, float* y, std::int64_t n) {
  chosen_instruction_set().silu_mul(gate, up, y, n);
}
void accumulate_rows(const AccumulateArgs& args) { chosen_instruction_set().accumulate_rows(args); }

int gemm_panel_lines() { return chosen_instruction_set().gemm_panel_lines; }

std::int64_t gemm_packed_floats(int n_lines, int n_k) {
  const int panel = gemm_panel_lines();
  return (std::int64_t{n_lines} + panel - 1) / panel * panel * n_k;
}

void gemm_pack(const GemmOperand& b, float* packed) { chosen_instruction_set().gemm_pack(b, packed); }

void gemm(const GemmArgs& args) {
  R1_DCHECK(args.a.line_step == 1 || args.a.k_step == 1);
  if (args.n_columns == 0) return;  // before a is read in vain
  if (args.a.n_k > 0) return chosen_instruction_set().gemm(args);
  if (args.into == GemmInto::kAccumulate) return;
  for (int i = 0; i < args.a.n_lines; ++i) std::fill_n(args.c + i * args.c_row_step, args.n_columns, 0.0f);
}

std::uint64_t probe_read(const std::byte* data, std::int64_t n_bytes) {
  return chosen_instruction_set().probe_read(data, n_bytes);
}
ProbeRun probe_fma(std::int64_t n_rounds) { return chosen_instruction_set().probe_fma(n_rounds); }
ProbeRun probe_int8(std::int64_t n_rounds) { return chosen_instruction_set().probe_int8(n_rounds); }

}  // namespace r1
