// gguf.h: GGUF v3 files, read from one file or from split shards and written as one file.
//
// Source: ggml's docs/gguf.md. GGUF lists dimensions fastest first; here, and everywhere else in r1.cpp, a Shape is
// slowest first: they are turned round in this room, once. Nothing in a file is trusted: every count, length, offset
// and shape is checked against the bytes there are before anything is allocated or pointed at.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/mapped_file.h"
#include "base/result.h"

namespace r1 {

struct GgufArray;
// Integers of any width are widened; which width a file used is of no interest to a reader.
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string, GgufArray>;

struct GgufArray {
  std::variant<std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>, std::vector<bool>> values;
  std::size_t size() const;
};

// A tensor as it lies in a file: a view into the mapping, which its owner (GgufFile, SafetensorsFile) keeps open.
struct StoredTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;                      // slowest first
  const std::byte* data = nullptr;  // n_bytes of them
  std::int64_t n_bytes = 0;
};

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

 private:
  std::map<std::string, GgufValue, std::less<>> values_;
};

class GgufFile {
 public:
  // `path` is the file, or any shard of BASE-0000k-of-0000n.gguf: then all shards are opened and must agree.
  static Result<GgufFile> open(const std::string& path);

  const GgufMetadata& metadata() const { return metadata_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // in file order
  std::int64_t file_bytes() const;                                       // of all shards

 private:
  std::vector<MappedFile> files_;
  GgufMetadata metadata_;
  std::vector<StoredTensor> tensors_;
};

// A GGUF file being written: metadata and tensor list first, then each tensor's bytes in the order they were announced.
class GgufWriter {
 public:
  // What to write for a tensor: fills `out` with the next bytes, called until n_bytes are written.
  struct Announced {
    std::string name;
    Dtype dtype;
    Shape shape;
  };
  GgufWriter(GgufMetadata metadata, std::vector<Announced> tensors);

  // Writes beside `path` and renames at the end. `produce(i, sink)` writes the bytes of tensor i through sink, in
  // pieces of any size; pieces that don't add up to the announced bytes are an Error.
  using Sink = std::function<Status(std::span<const std::byte>)>;
  Status write(const std::string& path, const std::function<Status(std::size_t, const Sink&)>& produce) const;

 private:
  GgufMetadata metadata_;
  std::vector<Announced> tensors_;
};

}  // namespace r1
