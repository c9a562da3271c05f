// trained_file_type.h: the types in which a trained model can be exported.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/dtype.h"
#include "base/result.h"

namespace r1 {

struct TrainedFileType {
  std::string_view name;
  Dtype dtype;           // of matrices; norms, biases and routers stay f32
  std::uint64_t number;  // llama.cpp's general.file_type
};

// The Error lists them.
Result<TrainedFileType> trained_file_type(std::string_view name);

}  // namespace r1
