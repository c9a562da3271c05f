// parameter_tensor.h: a tensor of an array of numbers that are trained.
#pragma once

#include <cstdint>
#include <string>

#include "base/dtype.h"

namespace r1 {

struct ParameterTensor {
  std::string name;  // of a model's: its GGUF name
  Shape shape;
  std::int64_t offset = 0;  // of its first number in the array
  bool is_matrix = false;   // weight decay is for matrices
  float init_stddev = 0;    // of a matrix's random start
  float start_value = 0;    // vectors: 1 for norms, 0 for biases
};

}  // namespace r1
