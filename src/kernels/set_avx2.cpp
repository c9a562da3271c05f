// set_avx2.cpp: the kernels for x86 with AVX2, FMA and F16C: since 2013.
#include "kernels/sets.h"

#if R1_X86
#include "hwy/detect_targets.h"
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX2
#define R1_SET avx2
#include "kernels/simd_set.h"

namespace r1 {
constinit const InstructionSet kAvx2 = avx2::make_set("AVX2", "avx2");
}
#endif
