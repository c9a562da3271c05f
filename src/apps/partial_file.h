// partial_file.h: a file on its way: PATH.partial, and PATH.partial.json, which says how much of it is safely on disk.
//
//  1. A file gets its name only after its length and hash were found right (commit).
//  2. What the sidecar promises (synced_bytes) was on disk before the promise was written, so a resumed download starts
//     from bytes that survived a crash of the process or of the machine; what lies beyond is cut off.
//  3. The hash runs along with the bytes; resuming reads the kept bytes once to bring it up to date.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/function_ref.h"
#include "base/result.h"
#include "base/sha256.h"

namespace r1 {

class PartialFile {
 public:
  struct Target {
    std::string path;  // the final name
    std::int64_t bytes = 0;
    FileHash hash;
  };

  // Takes up what an earlier run left, if it was to become the same file; on_rehash gets the bytes read so far.
  static Result<PartialFile> open(Target target, FunctionRef<void(std::int64_t)> on_rehash);
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&&) = delete;
  ~PartialFile();  // keeps what is there for the next run

  const Target& target() const { return target_; }
  std::int64_t bytes() const { return bytes_; }

  // The ETag under which the kept bytes came from this URL; empty when they came from elsewhere or without one.
  std::string etag_from(const std::string& url) const { return url == url_ ? etag_ : ""; }
  void set_origin(std::string url, std::string etag);

  Status append(
      std::span<const std::byte> bytes);  // kInvalidInput beyond target().bytes, kOutOfResource on a full disk
  Status sync_if_due();                   // at most once a second or 64 MiB
  Status sync();
  Status restart();  // from the first byte

  // Checks length and hash and gives the file its name. A wrong one is deleted.
  Status commit();
  void discard();  // deletes it

 private:
  PartialFile(Target target, int descriptor);
  Status resume(FunctionRef<void(std::int64_t)> on_rehash);
  Status write_sidecar();
  std::string partial_path() const { return target_.path + ".partial"; }
  std::string sidecar_path() const { return target_.path + ".partial.json"; }

  Target target_;
  int descriptor_;
  Hasher hasher_;
  std::int64_t bytes_ = 0, synced_bytes_ = 0;
  std::int64_t synced_at_ms_ = 0;
  std::string url_, etag_;
};

}  // namespace r1
