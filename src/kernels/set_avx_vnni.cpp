// set_avx_vnni.cpp: AVX2 with sums of four products of bytes, for products with more tokens than a few: desktop
// processors of Intel since Alder Lake, which have no AVX-512.
#include "kernels/sets.h"

#if R1_X86
#include "hwy/detect_targets.h"
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX2
#define R1_SET avx_vnni
#define R1_AVX_VNNI
#include "kernels/multiply_tiles.h"
#include "kernels/probes.h"

namespace r1 {
namespace {

constexpr int kFewTokens = 3;

template <typename Format>
void multiply(const MatmulArgs& args) {
  if (args.n_tokens < kFewTokens) return kAvx2.matmul[static_cast<int>(Format::kDtype)](args);
  avx_vnni::multiply_many_tokens<Format>(args);
}

template <typename... Formats>
InstructionSet make_set(FormatList<Formats...>) {
  InstructionSet set = kAvx2;
  set.name = "AVX2 (VNNI)";
  set.isa = "avx_vnni";
  set.probe_int8 = avx_vnni::int8_probe;
  ((set.matmul[static_cast<int>(Formats::kDtype)] = multiply<Formats>), ...);
  return set;
}

}  // namespace

const InstructionSet* avx_vnni_set() {
  static const InstructionSet set = make_set(BlockFormats{});
  return __builtin_cpu_supports("avxvnni") ? &set : nullptr;
}

}  // namespace r1
#endif
