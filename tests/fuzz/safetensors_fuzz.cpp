// safetensors_fuzz.cpp: libFuzzer on the safetensors reader; `make fuzz F=safetensors`.
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t n_bytes) {
  const auto tensors = r1::parse_safetensors(std::as_bytes(std::span(data, n_bytes)));
  unsigned sum = 0;
  if (tensors.ok()) {
    for (const r1::StoredTensor& tensor : *tensors) {
      if (tensor.n_bytes > 0) sum += static_cast<unsigned>(tensor.data[tensor.n_bytes - 1]);
    }
  }
  return sum == ~0u ? -1 : 0;  // so that the reads are made
}
