// gguf_file.cpp: a GGUF file on disk: one mapping, or all shards of a split file.
//
// Shards are called BASE-0000k-of-0000n.gguf. Each has a header of its own with split.no (from 0), split.count and
// split.tensors.count (of all shards together); the model's metadata is in the first.
#include <fmt/format.h>

#include "formats/ggml_types.h"
#include "formats/gguf.h"
#include "formats/tensor_names.h"

namespace r1 {
namespace {

struct ShardName {
  std::string base;
  int shard = 1, n_shards = 1;  // shard counts from 1, as in the name

  std::string path_of(int k) const { return fmt::format("{}-{:05}-of-{:05}.gguf", base, k, n_shards); }
};

// The k in "...-0000k-of-0000n.gguf" and its kin: five digits ending at `end`.
int five_digits(std::string_view path, std::size_t start) {
  int number = 0;
  for (const char c : path.substr(start, 5)) {
    if (c < '0' || c > '9') return -1;
    number = number * 10 + (c - '0');
  }
  return number;
}

// A name that doesn't say so is a file of its own: shard 1 of 1.
ShardName parse_shard_name(const std::string& path) {
  constexpr std::string_view kPattern = "-00000-of-00000.gguf";
  if (path.size() <= kPattern.size()) return {};
  const std::size_t start = path.size() - kPattern.size();
  const std::string_view ending = std::string_view(path).substr(start);
  if (ending[0] != '-' || ending.substr(6, 4) != "-of-" || ending.substr(15) != ".gguf") return {};
  ShardName name{path.substr(0, start), five_digits(ending, 1), five_digits(ending, 10)};
  if (name.shard < 1 || name.shard > name.n_shards) return {};
  return name;
}

Error disagrees(std::string_view key, std::int64_t said, std::string_view against, std::int64_t found) {
  return {ErrorCode::kInvalidInput, fmt::format("{} is {}, but {} {}", key, said, against, found)};
}

Status check_shard(const GgufMetadata& metadata, int shard, int n_shards) {
  R1_TRY(const std::int64_t count, metadata.integer("split.count", 1));
  R1_TRY(const std::int64_t number, metadata.integer("split.no", 0));
  if (count == 0 && n_shards == 1) return {};
  if (count != n_shards) return disagrees("split.count", count, "the file's name says", n_shards);
  if (number != shard - 1) return disagrees("split.no", number, "the file's name says", shard - 1);
  return {};
}

Result<GgufContents> parse_shard(const MappedFile& file, int shard, int n_shards) {
  Result<GgufContents> contents = parse_gguf(file.bytes());
  if (!contents.ok()) return with_context(contents.error(), file.path());
  if (const Status status = check_shard(contents->metadata, shard, n_shards); !status.ok()) {
    return with_context(status.error(), file.path());
  }
  return contents;
}

}  // namespace

int gguf_shard(const std::string& path) { return parse_shard_name(path).shard; }

Result<GgufFile> GgufFile::open(const std::string& path) {
  const ShardName name = parse_shard_name(path);
  GgufFile result;
  std::int64_t n_tensors_said = 0;
  for (int shard = 1; shard <= name.n_shards; ++shard) {
    R1_TRY(MappedFile file, MappedFile::open(name.n_shards == 1 ? path : name.path_of(shard)));
    R1_TRY(GgufContents contents, parse_shard(file, shard, name.n_shards));
    if (shard == 1) {
      R1_TRY(n_tensors_said, contents.metadata.integer("split.tensors.count", -1));
      result.metadata_ = std::move(contents.metadata);
    }
    result.files_.push_back(std::move(file));
    result.tensors_.insert(result.tensors_.end(), std::make_move_iterator(contents.tensors.begin()),
                           std::make_move_iterator(contents.tensors.end()));
  }
  const auto n_tensors = static_cast<std::int64_t>(result.tensors_.size());
  if (name.n_shards > 1 && n_tensors_said != n_tensors) {
    return with_context(disagrees("split.tensors.count", n_tensors_said, "the shards hold", n_tensors), path);
  }
  if (const Status status = check_unique_names(result.tensors_); !status.ok()) {
    return with_context(status.error(), path);
  }
  for (const std::string_view key : {"split.no", "split.count", "split.tensors.count"}) result.metadata_.erase(key);
  return result;
}

std::int64_t GgufFile::file_bytes() const {
  std::int64_t total = 0;
  for (const MappedFile& file : files_) total += static_cast<std::int64_t>(file.bytes().size());
  return total;
}

}  // namespace r1
