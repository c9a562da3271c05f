// tensor_stream.h: one announced tensor's bytes from its producer into a file, counted.
#pragma once

#include <cstdint>

#include "formats/output_file.h"
#include "formats/stored_tensor.h"

namespace r1 {

// An Error when the pieces don't add up to n_bytes.
Status stream_tensor(OutputFile& file, std::size_t tensor, std::int64_t n_bytes, TensorProducer produce);

}  // namespace r1
