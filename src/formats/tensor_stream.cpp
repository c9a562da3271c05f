// tensor_stream.cpp: holds a producer to what was announced.
#include "formats/tensor_stream.h"

#include <fmt/format.h>

namespace r1 {

Status stream_tensor(OutputFile& file, std::size_t tensor, std::int64_t n_bytes, TensorProducer produce) {
  std::int64_t n_written = 0;
  const auto sink = [&](std::span<const std::byte> piece) -> Status {
    n_written += static_cast<std::int64_t>(piece.size());
    if (n_written > n_bytes) {
      return Error{ErrorCode::kInternal, fmt::format("more than the {} bytes announced", n_bytes)};
    }
    return file.append(piece);
  };
  R1_TRY_STATUS(produce(tensor, sink));
  if (n_written == n_bytes) return {};
  return Error{ErrorCode::kInternal, fmt::format("{} bytes, {} were announced", n_written, n_bytes)};
}

}  // namespace r1
