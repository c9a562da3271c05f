// safetensors.h: safetensors files (u64 header length, JSON header, raw data), alone or sharded behind
// model.safetensors.index.json.
//
// Source: the safetensors format page. Row-major, shapes slowest first as everywhere here. Nothing in a file is
// trusted.
#pragma once

#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/stored_tensor.h"

namespace r1 {

class SafetensorsFile {
 public:
  // A folder with model.safetensors, or model.safetensors.index.json and its shards; or one .safetensors file.
  static Result<SafetensorsFile> open(const std::string& path);

  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  std::int64_t file_bytes() const;

 private:
  std::vector<MappedFile> files_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace r1
