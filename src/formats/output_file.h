// output_file.h: a large file being written: without a name until it is complete, so that an Error, a full disk or a
// killed process leaves what was there before, and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace r1 {

class OutputFile {
 public:
  // Reserves the room at once where the file system can: a full disk is told before hours of work, not after.
  static Result<OutputFile> create(const std::string& path, std::int64_t n_bytes);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  // removes the unfinished file

  Status append(std::span<const std::byte> bytes);
  Status append_zeros(std::int64_t n_bytes);
  Status commit();  // on the disk, under its final name

 private:
  OutputFile(const std::string& path, std::int64_t n_bytes);
  Status write_out(std::span<const std::byte> bytes);
  Error failed(std::string_view action) const;

  std::string path_, partial_path_;  // the second: its name where there must be one, and for the moment of renaming
  int descriptor_ = -1;
  bool is_named_ = false;
  std::int64_t n_bytes_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace r1
