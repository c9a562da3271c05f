// mapped_file.h: a file mapped read-only into memory; unmapped when the object ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/mapping_guard.h"
#include "base/result.h"

namespace r1 {

class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, static_cast<std::size_t>(size_)}; }
  const std::string& path() const { return path_; }
  // Bytes that were read are not the file's: it was cut short since, or its disk failed (base/mapping_guard.h).
  bool is_broken() const { return guard_.is_broken(); }
  // Whether resident_bytes() can tell: the kernel says so only to who owns a file or may write to it.
  bool shows_residency() const { return shows_residency_; }

 private:
  MappedFile(std::string path, const std::byte* data, std::int64_t size, bool shows_residency)
      : path_(std::move(path)),
        data_(data),
        size_(size),
        shows_residency_(shows_residency),
        guard_({data, static_cast<std::size_t>(size)}) {}

  std::string path_;
  const std::byte* data_ = nullptr;
  std::int64_t size_ = 0;
  bool shows_residency_ = false;
  MappingGuard guard_;
};

// How many of these bytes are in memory now: reading the others waits for a disk. Costs some nanoseconds a page.
std::int64_t resident_bytes(std::span<const std::byte> bytes);

}  // namespace r1
