// gguf.h: GGUF v3 files, read from one file or from split shards and written as one file.
//
// Source: the ggml project's gguf.md. GGUF lists dimensions fastest first; here, and everywhere else in r1.cpp, a Shape
// is slowest first: they are turned round in this room, once. Nothing in a file is trusted: every count, length, offset
// and shape is checked against the bytes there are before anything is allocated or pointed at.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/stored_tensor.h"

namespace r1 {

struct GgufArray {
  std::variant<std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>, std::vector<bool>> values;
  std::size_t size() const;
};

// Numbers of any width are widened; which width a file used is of no interest to a reader.
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string, GgufArray>;

// Typed access to metadata. A missing key gives the fallback; a key of another type is an Error that names both.
class GgufMetadata {
 public:
  bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
  Result<std::int64_t> integer(std::string_view key) const;  // missing: an Error
  Result<std::int64_t> integer(std::string_view key, std::int64_t fallback) const;
  Result<double> number(std::string_view key) const;
  Result<double> number(std::string_view key, double fallback) const;
  Result<bool> boolean(std::string_view key, bool fallback) const;
  Result<std::string> string(std::string_view key) const;
  Result<std::string> string(std::string_view key, std::string_view fallback) const;
  Result<const std::vector<std::string>*> strings(std::string_view key) const;    // borrowed
  Result<const std::vector<std::int64_t>*> integers(std::string_view key) const;  // borrowed
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }

  void set(std::string key, GgufValue value) { values_.insert_or_assign(std::move(key), std::move(value)); }
  void erase(std::string_view key);

 private:
  const GgufValue* find(std::string_view key) const;

  std::map<std::string, GgufValue, std::less<>> values_;
};

// What one file holds; the tensors point into the bytes it was parsed from.
struct GgufContents {
  GgufMetadata metadata;
  std::vector<StoredTensor> tensors;  // in file order
};

Result<GgufContents> parse_gguf(std::span<const std::byte> file);

// The k of BASE-0000k-of-0000n.gguf; any other name is that of a file alone: 1.
int gguf_shard(const std::string& path);

class GgufFile {
 public:
  // `path` is the file, or any shard of BASE-0000k-of-0000n.gguf: then all shards are opened and must agree.
  static Result<GgufFile> open(const std::string& path);

  const GgufMetadata& metadata() const { return metadata_; }             // of the first shard, without the split.* keys
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // in file order
  std::span<const MappedFile> files() const { return files_; }           // the shards in order, or the one file
  std::int64_t file_bytes() const;                                       // of all shards

 private:
  std::vector<MappedFile> files_;
  GgufMetadata metadata_;
  std::vector<StoredTensor> tensors_;
};

// A GGUF file being written: metadata and tensor list first, then each tensor's bytes in the order they were announced.
//
// Integers are written as u32 or i32, as the variant says, and as 64 bit only when they need it; numbers as f32: the
// types that other readers insist on. The alignment is metadata's general.alignment, or 32.
class GgufWriter {
 public:
  using Announced = AnnouncedTensor;
  using Sink = TensorSink;
  GgufWriter(GgufMetadata metadata, std::vector<Announced> tensors);

  // Writes beside `path` and renames at the end; after an Error nothing is left behind. Pieces that don't add up to
  // the announced bytes are an Error.
  Status write(const std::string& path, TensorProducer produce) const;

 private:
  GgufMetadata metadata_;
  std::vector<Announced> tensors_;
};

}  // namespace r1
