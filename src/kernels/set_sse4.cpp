// set_sse4.cpp: the kernels for x86 without AVX2; it has no fused multiply-add.
#include "kernels/sets.h"

#if R1_X86
#include "hwy/detect_targets.h"
#undef HWY_TARGET
#define HWY_TARGET HWY_SSE4
#define R1_SET sse4
#include "kernels/simd_set.h"

namespace r1 {
constinit const InstructionSet kSse4 = sse4::make_set("SSE4", "sse4");
}
#endif
