// safetensors_writer.cpp: header, then the tensors as they are produced; one file or shards with an index.
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "formats/tensor_names.h"
#include "formats/tensor_stream.h"

namespace r1 {
namespace {

using Indexes = std::vector<std::size_t>;  // into the announced tensors

Result<std::int64_t> checked_safetensors_bytes(const AnnouncedTensor& tensor) {
  const std::string name = in_quotes(tensor.name);
  if (tensor.name.empty() || tensor.name == "__metadata__" || has_control_characters(tensor.name)) {
    return invalid_input(fmt::format("{} can't be a tensor's name in safetensors", name));
  }
  if (traits(tensor.dtype).safetensors.empty()) {
    return invalid_input(fmt::format("tensor {}: safetensors has no type {}", name, traits(tensor.dtype).name));
  }
  Result<std::int64_t> n_bytes = checked_bytes(tensor.dtype, tensor.shape);
  if (!n_bytes.ok()) return with_context(n_bytes.error(), "tensor " + name);
  return n_bytes;
}

std::string header_of(const std::vector<AnnouncedTensor>& tensors, const Indexes& indexes,
                      const std::vector<std::int64_t>& sizes) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};  // transformers refuses files without
  std::int64_t offset = 0;
  for (const std::size_t i : indexes) {
    const AnnouncedTensor& tensor = tensors[i];
    const auto dims = std::span(tensor.shape.dims).first(static_cast<std::size_t>(tensor.shape.n_dims));
    header[tensor.name] = {{"dtype", traits(tensor.dtype).safetensors},
                           {"shape", std::vector<std::int64_t>(dims.begin(), dims.end())},
                           {"data_offsets", {offset, offset + sizes[i]}}};
    offset += sizes[i];
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data starts aligned
  const std::uint64_t length = text.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + text;
}

// One file with some of the tensors.
Status write_some(const std::string& path, const std::vector<AnnouncedTensor>& tensors, Indexes indexes,
                  const std::vector<std::int64_t>& sizes, TensorProducer produce) {
  std::stable_sort(indexes.begin(), indexes.end(), [&](std::size_t a, std::size_t b) {
    return traits(tensors[a].dtype).block_bytes > traits(tensors[b].dtype).block_bytes;
  });
  const std::string header = header_of(tensors, indexes, sizes);
  std::int64_t n_bytes = static_cast<std::int64_t>(header.size());
  for (const std::size_t i : indexes) n_bytes += sizes[i];
  R1_TRY(OutputFile file, OutputFile::create(path, n_bytes));
  R1_TRY_STATUS(file.append(std::as_bytes(std::span(header))));
  for (const std::size_t i : indexes) {
    if (const Status status = stream_tensor(file, i, sizes[i], produce); !status.ok()) {
      return with_context(status.error(), "tensor " + tensors[i].name);
    }
  }
  return file.commit();
}

Result<std::vector<std::int64_t>> check_all(const std::vector<AnnouncedTensor>& tensors) {
  R1_TRY_STATUS(check_unique_names(tensors));
  std::vector<std::int64_t> sizes;
  for (const AnnouncedTensor& tensor : tensors) {
    R1_TRY(const std::int64_t n_bytes, checked_safetensors_bytes(tensor));
    sizes.push_back(n_bytes);
  }
  return sizes;
}

// In announced order; a new shard begins when the next tensor wouldn't fit.
std::vector<Indexes> divide(const std::vector<std::int64_t>& sizes, std::int64_t max_shard_bytes) {
  std::vector<Indexes> shards(1);
  std::int64_t shard_bytes = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (!shards.back().empty() && shard_bytes + sizes[i] > max_shard_bytes) {
      shards.emplace_back();
      shard_bytes = 0;
    }
    shards.back().push_back(i);
    shard_bytes += sizes[i];
  }
  return shards;
}

Status write_index(const std::string& folder, const Json& weight_map, std::int64_t total_bytes) {
  const Json index = {{"metadata", {{"total_size", total_bytes}}}, {"weight_map", weight_map}};
  return write_file_atomically(folder + "/model.safetensors.index.json", index.dump(2) + "\n");
}

}  // namespace

Status SafetensorsWriter::write(const std::string& path, TensorProducer produce) const {
  R1_TRY(const std::vector<std::int64_t> sizes, check_all(tensors_));
  Indexes all(tensors_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return write_some(path, tensors_, std::move(all), sizes, produce);
}

Status SafetensorsWriter::write_folder(const std::string& folder, std::int64_t max_shard_bytes,
                                       TensorProducer produce) const {
  R1_TRY(const std::vector<std::int64_t> sizes, check_all(tensors_));
  const std::vector<Indexes> shards = divide(sizes, max_shard_bytes);
  if (shards.size() == 1) return write(folder + "/model.safetensors", produce);

  Json weight_map = Json::object();
  std::vector<std::string> written;
  Status status;
  for (std::size_t k = 0; k < shards.size() && status.ok(); ++k) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", k + 1, shards.size());
    for (const std::size_t i : shards[k]) weight_map[tensors_[i].name] = name;
    written.push_back(folder + "/" + name);
    status = write_some(written.back(), tensors_, shards[k], sizes, produce);
  }
  if (status.ok())
    status = write_index(folder, weight_map, std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
  if (!status.ok()) {
    for (const std::string& path : written) ::unlink(path.c_str());
  }
  return status;
}

}  // namespace r1
