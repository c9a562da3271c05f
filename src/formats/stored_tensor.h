// stored_tensor.h: a named tensor as it lies in a file, and how one is handed to a writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/dtype.h"
#include "base/function_ref.h"
#include "base/result.h"

namespace r1 {

// A view into a mapping that its owner (GgufFile, SafetensorsFile) keeps open. Aligned for its dtype's widest field.
struct StoredTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;                      // slowest first
  const std::byte* data = nullptr;  // n_bytes of them
  std::int64_t n_bytes = 0;
};

// A tensor of a file to be written: its place in the file is decided before its bytes are made.
struct AnnouncedTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
};

// Writers stream: they call the producer once for each announced tensor, in the order of the file, and it hands the
// tensor's bytes to the sink in pieces of any size. An Error of the sink (a full disk) must be passed on.
using TensorSink = FunctionRef<Status(std::span<const std::byte>)>;
using TensorProducer = FunctionRef<Status(std::size_t tensor, const TensorSink& sink)>;

}  // namespace r1
