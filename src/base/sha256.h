// sha256.h: SHA-256, for downloads, keys and the ledger's chain, and the SHA-1 that git names a file's contents by.
//
// Hugging Face publishes SHA-256 for large files only; small ones are known by git's object id, SHA-1 over
// "blob LENGTH\0" and the contents. OpenSSL computes both, behind this door.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/result.h"

namespace r1 {

enum class HashKind { kSha256, kGitSha1 };

struct FileHash {
  HashKind kind = HashKind::kSha256;
  std::string hex;  // lower case
  bool operator==(const FileHash& other) const = default;
};

std::string to_string(const FileHash& hash);  // "sha256:b179…", "git-sha1:e69d…"

// The right length for its kind and all hexadecimal (upper case is lowered); `what` names the text in the error.
Result<FileHash> make_file_hash(HashKind kind, std::string_view hex, std::string_view what);
Result<FileHash> parse_file_hash(std::string_view text, std::string_view what);  // the inverse of to_string

std::string sha256_hex(std::string_view text);  // 64 digits, lower case

class Hasher {
 public:
  Hasher(HashKind kind, std::int64_t file_bytes);  // file_bytes: git hashes the length before the contents
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  void update(std::span<const std::byte> bytes);
  FileHash finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Feeds the first `bytes` bytes of an open file to the hasher; calls on_progress with the bytes done so far.
Status hash_prefix(Hasher& hasher, int descriptor, std::int64_t bytes, FunctionRef<void(std::int64_t)> on_progress);

}  // namespace r1
