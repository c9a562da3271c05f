// portable.h: the kernels in plain C++: what every other instruction set must reproduce bit for bit, and what machines
// without a SIMD target of ours run.
#pragma once

#include "kernels/instruction_set.h"

namespace r1 {

extern const InstructionSet kPortable;

}  // namespace r1
