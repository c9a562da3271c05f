// safetensors_file.cpp: safetensors on disk: one file, or a Hugging Face folder with its index of shards.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "formats/tensor_names.h"

namespace r1 {
namespace {

using WeightMap = std::map<std::string, std::string>;  // tensor -> file name

// A shard lies beside its index: anything that could lead elsewhere is refused.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name[0] != '.' && name.find('/') == std::string_view::npos && !has_control_characters(name) &&
         name.size() <= 255;
}

Result<WeightMap> read_weight_map(const std::string& index_path) {
  R1_TRY(const Json index, read_json_file(index_path, {.max_depth = 8, .max_bytes = std::int64_t{64} << 20}));
  const auto found = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || found == index.end() || !found->is_object()) {
    return invalid_input(index_path + ": has no object 'weight_map'");
  }
  WeightMap weight_map;
  for (const auto& [tensor, file] : found->items()) {
    if (!file.is_string())
      return invalid_input(fmt::format("{}: tensor {} has no file name", index_path, in_quotes(tensor)));
    const std::string& name = file.get_ref<const std::string&>();
    if (!is_plain_file_name(name)) {
      return invalid_input(fmt::format("{}: tensor {} is said to be in {}, which is not a file name", index_path,
                                       in_quotes(tensor), in_quotes(name)));
    }
    weight_map.emplace(tensor, name);
  }
  return weight_map;
}

std::size_t widest_field(Dtype dtype) {
  // Safetensors holds plain numbers only: a block is one value.
  return static_cast<std::size_t>(traits(dtype).block_bytes);
}

}  // namespace

Status SafetensorsFile::add_file(const std::string& path) {
  R1_TRY(MappedFile file, MappedFile::open(path));
  Result<std::vector<StoredTensor>> tensors = parse_safetensors(file.bytes());
  if (!tensors.ok()) return with_context(tensors.error(), path);
  files_.push_back(std::move(file));
  tensors_.insert(tensors_.end(), std::make_move_iterator(tensors->begin()), std::make_move_iterator(tensors->end()));
  return {};
}

// Files written by the reference implementation are aligned. Others are made so by copying, so that everybody else may
// rely on it.
void SafetensorsFile::align_tensors() {
  for (StoredTensor& tensor : tensors_) {
    if (reinterpret_cast<std::uintptr_t>(tensor.data) % widest_field(tensor.dtype) == 0) continue;
    const auto n_bytes = static_cast<std::size_t>(tensor.n_bytes);
    auto copy = std::make_unique_for_overwrite<std::byte[]>(n_bytes);
    std::memcpy(copy.get(), tensor.data, n_bytes);
    tensor.data = copy.get();
    realigned_.push_back(std::move(copy));
  }
}

// The shards an index names, each holding what the index says it holds. What it doesn't mention is kept: whether a
// tensor too many is wrong, the model's table decides.
Status SafetensorsFile::add_shards(const std::string& folder, const std::string& index_path) {
  R1_TRY(const WeightMap weight_map, read_weight_map(index_path));
  std::set<std::string> shards;
  for (const auto& [tensor, file] : weight_map) shards.insert(file);
  WeightMap found;
  for (const std::string& shard : shards) {
    std::size_t next = tensors_.size();
    R1_TRY_STATUS(add_file(folder + "/" + shard));
    for (; next < tensors_.size(); ++next) found.emplace(tensors_[next].name, shard);
  }
  if (const Status status = check_unique_names(tensors_); !status.ok()) return with_context(status.error(), folder);
  for (const auto& [tensor, file] : weight_map) {
    const auto place = found.find(tensor);
    if (place == found.end() || place->second != file) {
      return invalid_input(
          fmt::format("{}: tensor {} is said to be in {}, but is not", index_path, in_quotes(tensor), file));
    }
  }
  return {};
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  const std::string index_path = path + "/model.safetensors.index.json";
  SafetensorsFile result;
  if (!is_directory(path)) {
    R1_TRY_STATUS(result.add_file(path));
  } else if (file_exists(path + "/model.safetensors")) {
    R1_TRY_STATUS(result.add_file(path + "/model.safetensors"));
  } else if (file_exists(index_path)) {
    R1_TRY_STATUS(result.add_shards(path, index_path));
  } else {
    return Error{ErrorCode::kNotFound,
                 path + ": a folder with neither model.safetensors nor model.safetensors.index.json"};
  }
  result.align_tensors();
  return result;
}

std::int64_t SafetensorsFile::file_bytes() const {
  std::int64_t total = 0;
  for (const MappedFile& file : files_) total += static_cast<std::int64_t>(file.bytes().size());
  return total;
}

}  // namespace r1
