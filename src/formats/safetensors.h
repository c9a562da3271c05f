// safetensors.h: safetensors files (u64 header length, JSON header, raw data), alone or sharded behind
// model.safetensors.index.json.
//
// Source: the safetensors format page. Row-major, shapes slowest first as everywhere here. Nothing in a file is
// trusted.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/stored_tensor.h"

namespace r1 {

// The tensors of one file, in the order of their data, pointing into its bytes: at any address, for the format aligns
// nothing.
Result<std::vector<StoredTensor>> parse_safetensors(std::span<const std::byte> file);

class SafetensorsFile {
 public:
  // A folder with model.safetensors, or model.safetensors.index.json and its shards; or one .safetensors file.
  static Result<SafetensorsFile> open(const std::string& path);

  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  std::span<const MappedFile> files() const { return files_; }  // the shards in order of name, or the one file
  std::int64_t file_bytes() const;

 private:
  Status add_file(const std::string& path);
  Status add_shards(const std::string& folder, const std::string& index_path);
  void align_tensors();

  std::vector<MappedFile> files_;
  std::vector<std::unique_ptr<std::byte[]>> realigned_;  // copies of tensors that lie at odd addresses
  std::vector<StoredTensor> tensors_;
};

// Safetensors being written. Within a file, tensors of wide numbers come before those of narrow ones, so that all are
// aligned; the producer is asked in that order, by the index in `tensors`.
class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(std::vector<AnnouncedTensor> tensors) : tensors_(std::move(tensors)) {}

  // Writes beside `path` and renames at the end; after an Error nothing is left behind.
  Status write(const std::string& path, TensorProducer produce) const;
  // Into an existing folder: model.safetensors, or, when the tensors take more than max_shard_bytes,
  // model-0000k-of-0000n.safetensors and model.safetensors.index.json. A tensor is never cut.
  Status write_folder(const std::string& folder, std::int64_t max_shard_bytes, TensorProducer produce) const;

 private:
  std::vector<AnnouncedTensor> tensors_;
};

}  // namespace r1
