// formats.h: the list of block formats. A new one is two files and a line here.
#pragma once

#include "kernels/iq4_nl.h"
#include "kernels/iq4_xs.h"
#include "kernels/q2_k.h"
#include "kernels/q3_k.h"
#include "kernels/q4_0.h"
#include "kernels/q4_1.h"
#include "kernels/q4_k.h"
#include "kernels/q5_0.h"
#include "kernels/q5_1.h"
#include "kernels/q5_k.h"
#include "kernels/q6_k.h"
#include "kernels/q8_0.h"

namespace r1 {

template <typename... Formats>
struct FormatList {};

using BlockFormats = FormatList<Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS>;

}  // namespace r1
