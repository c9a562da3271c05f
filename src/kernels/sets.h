// sets.h: the instruction sets there are kernels for on this architecture.
#pragma once

#include "kernels/instruction_set.h"

#if defined(__x86_64__)
#define R1_X86 1
#else
#define R1_X86 0
#endif
#if defined(__aarch64__)
#define R1_ARM64 1
#else
#define R1_ARM64 0
#endif

namespace r1 {

extern const InstructionSet kPortable;  // plain C++: what the others must reproduce bit for bit
extern const InstructionSet kSse4, kAvx2, kAvx512;
extern const InstructionSet kNeon;

const InstructionSet* avx_vnni_set();  // null where the processor has it not, though it may have AVX-512's VNNI
const InstructionSet* amx_set();       // null where the processor or the system has no tile registers

}  // namespace r1
