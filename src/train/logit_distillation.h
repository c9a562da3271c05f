// logit_distillation.h: a student learns a teacher's whole distribution at every token (Hinton et al. 2015), not only
// the token that was written.
#pragma once

#include <span>
#include <vector>

#include "ops/pass.h"

namespace r1 {

// KL(teacher || student) of each row, of softmax(logits / temperature); both [rows, vocab_size]. With a gradient
// (logits.grad) that of sum over rows of coefficient * temperature^2 * KL is added: its size does not depend on the
// temperature (Hinton et al., 2.1).
std::vector<float> add_divergence(Pass& pass, Tensor logits, Tensor teacher_logits, std::span<const float> coefficients,
                                  float temperature);

}  // namespace r1
