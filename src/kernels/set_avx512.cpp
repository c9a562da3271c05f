// set_avx512.cpp: the kernels for x86 with AVX-512 F, VL, DQ, BW and VNNI: Ice Lake, Zen 4.
#include "kernels/sets.h"

#if R1_X86
#include "hwy/detect_targets.h"
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX3
#define R1_SET avx512
#include "kernels/simd_set.h"

namespace r1 {
constinit const InstructionSet kAvx512 = avx512::make_set("AVX-512 (VNNI)", "avx512");
}
#endif
