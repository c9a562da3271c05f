// recode_weights.h: a loaded model's matrices in another number format: to measure what a format, or the rounding of
// activations that comes with it, costs.
#pragma once

#include "base/dtype.h"
#include "base/result.h"
#include "model/weights.h"

namespace r1 {

// F32: every matrix in blocks is decoded, so that products take activations as they are; matrices of floats do that
// already and stay. A format of blocks: every matrix whose rows hold whole blocks is decoded and encoded again; routers
// stay. New matrices lie in model.converted. kUnsupported for other formats, kOutOfResource if they would not fit into
// this machine's memory.
Status recode_weights(Model& model, Dtype dtype);

}  // namespace r1
