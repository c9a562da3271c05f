// simd_set.h: all kernels of one instruction set as a table. Included once from each set_*.cpp.
#pragma once

#include "kernels/gemm_tiles.h"
#include "kernels/instruction_set.h"
#include "kernels/matmul_blocks.h"
#include "kernels/matmul_floats.h"
#include "kernels/probes.h"
#include "kernels/row_ops.h"

namespace r1::R1_SET {

template <typename... Formats>
constexpr void add_block_formats(InstructionSet& set, FormatList<Formats...>) {
  ((set.matmul[static_cast<int>(Formats::kDtype)] = multiply_blocks<Formats>), ...);
}

constexpr InstructionSet make_set(std::string_view name, std::string_view isa) {
  InstructionSet set{.name = name,
                     .isa = isa,
                     .quantize_activation = quantize_row,
                     .widen_f16 = widen_row<F16>,
                     .widen_bf16 = widen_row<BF16>,
                     .dot = dot_row,
                     .dot3 = dot3_row,
                     .max_value = max_of_row,
                     .add = add_rows,
                     .scale = scale_row,
                     .add_scaled = add_scaled_row,
                     .add_scaled_product = add_scaled_product_row,
                     .rms_norm = rms_norm_row,
                     .exp_and_sum = exp_and_sum_row,
                     .sigmoid = sigmoid_row,
                     .silu_mul = silu_mul_row,
                     .accumulate_rows = accumulate_any,
                     .gemm_panel_lines = kGemmPanelLines,
                     .gemm_pack = gemm_pack_panels,
                     .gemm = multiply_gemm,
                     .probe_read = read_probe,
                     .probe_fma = fma_probe,
                     .probe_int8 = int8_probe};
  add_block_formats(set, BlockFormats{});
  set.matmul[static_cast<int>(Dtype::kF32)] = multiply_floats<F32>;
  set.matmul[static_cast<int>(Dtype::kF16)] = multiply_floats<F16>;
  set.matmul[static_cast<int>(Dtype::kBF16)] = multiply_floats<BF16>;
  set.matmul[static_cast<int>(Dtype::kF8E4M3)] = multiply_floats<F8E4M3>;
  return set;
}

}  // namespace r1::R1_SET
