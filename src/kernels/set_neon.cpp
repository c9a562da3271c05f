// set_neon.cpp: the kernels for 64-bit Arm.
#include "kernels/sets.h"

#if R1_ARM64
#include "hwy/detect_targets.h"
#undef HWY_TARGET
#define HWY_TARGET HWY_NEON
#define R1_SET neon
#include "kernels/simd_set.h"

namespace r1 {
constinit const InstructionSet kNeon = neon::make_set("NEON", "neon");
}
#endif
