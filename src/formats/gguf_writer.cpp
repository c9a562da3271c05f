// gguf_writer.cpp: metadata and tensor list, then the tensors, as they are produced.
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "formats/ggml_types.h"
#include "formats/gguf.h"
#include "formats/tensor_names.h"
#include "formats/tensor_stream.h"

namespace r1 {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

class HeaderBytes {
 public:
  template <typename T>
  void number(T value) {
    const std::size_t start = bytes_.size();
    bytes_.resize(start + sizeof value);
    std::memcpy(bytes_.data() + start, &value, sizeof value);
  }
  void text(std::string_view value) {
    number(std::uint64_t{value.size()});
    const auto bytes = std::as_bytes(std::span(value));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void type(GgufType type) { number(static_cast<std::uint32_t>(type)); }
  void pair(std::string_view key, const GgufValue& value) {
    text(key);
    std::visit([this](const auto& held) { add(held); }, value);
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void add(std::uint64_t value) {
    const bool small = value <= UINT32_MAX;
    type(small ? GgufType::kU32 : GgufType::kU64);
    small ? number(static_cast<std::uint32_t>(value)) : number(value);
  }
  void add(std::int64_t value) {
    const bool small = value >= INT32_MIN && value <= INT32_MAX;
    type(small ? GgufType::kI32 : GgufType::kI64);
    small ? number(static_cast<std::int32_t>(value)) : number(value);
  }
  void add(double value) {
    type(GgufType::kF32);
    number(static_cast<float>(value));
  }
  void add(bool value) {
    type(GgufType::kBool);
    number(std::uint8_t{value});
  }
  void add(const std::string& value) {
    type(GgufType::kString);
    text(value);
  }
  void add(const GgufArray& array) {
    type(GgufType::kArray);
    std::visit([this](const auto& values) { add_elements(values); }, array.values);
  }
  void add_elements(const std::vector<std::int64_t>& values) {
    bool small = true;
    for (const std::int64_t value : values) small = small && value >= INT32_MIN && value <= INT32_MAX;
    start_elements(small ? GgufType::kI32 : GgufType::kI64, values.size());
    for (const std::int64_t value : values) small ? number(static_cast<std::int32_t>(value)) : number(value);
  }
  void add_elements(const std::vector<double>& values) {
    start_elements(GgufType::kF32, values.size());
    for (const double value : values) number(static_cast<float>(value));
  }
  void add_elements(const std::vector<std::string>& values) {
    start_elements(GgufType::kString, values.size());
    for (const std::string& value : values) text(value);
  }
  void add_elements(const std::vector<bool>& values) {
    start_elements(GgufType::kBool, values.size());
    for (const bool value : values) number(std::uint8_t{value});
  }
  void start_elements(GgufType element, std::size_t n) {
    type(element);
    number(std::uint64_t{n});
  }

  std::vector<std::byte> bytes_;
};

Result<std::int64_t> alignment_asked_for(const GgufMetadata& metadata) {
  R1_TRY(const std::int64_t alignment, metadata.integer("general.alignment", kGgufDefaultAlignment));
  if (alignment < 8 || alignment > (1 << 30) || !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
    return invalid_input(fmt::format("general.alignment is {}, not a power of two from 8 to 2^30", alignment));
  }
  return alignment;
}

// Bytes of the tensor's data, if it can be in a GGUF file at all.
Result<std::int64_t> checked_gguf_bytes(const AnnouncedTensor& tensor) {
  const std::string name = in_quotes(tensor.name);
  if (tensor.name.empty() || tensor.name.size() >= kGgufMaxTensorName || has_control_characters(tensor.name)) {
    return invalid_input(fmt::format("{} can't be a tensor's name in GGUF", name));
  }
  if (traits(tensor.dtype).ggml_type < 0) {
    return invalid_input(fmt::format("tensor {}: GGUF has no type {}", name, traits(tensor.dtype).name));
  }
  if (tensor.shape.n_dims < 1)
    return invalid_input(fmt::format("tensor {}: GGUF has no tensors without dimensions", name));
  Result<std::int64_t> n_bytes = checked_bytes(tensor.dtype, tensor.shape);
  if (!n_bytes.ok()) return with_context(n_bytes.error(), "tensor " + name);
  if (*n_bytes == 0) return invalid_input(fmt::format("tensor {}: shape {} is empty", name, to_string(tensor.shape)));
  return n_bytes;
}

void add_metadata(HeaderBytes& header, const GgufMetadata& metadata) {
  const auto is_general = [](const std::string& key) { return key.starts_with("general."); };
  // What a file is comes first: for people with a hex viewer, and readers that stop early.
  for (const auto& [key, value] : metadata.values()) {
    if (is_general(key)) header.pair(key, value);
  }
  for (const auto& [key, value] : metadata.values()) {
    if (!is_general(key)) header.pair(key, value);
  }
}

void add_entry(HeaderBytes& header, const AnnouncedTensor& tensor, std::int64_t offset) {
  header.text(tensor.name);
  header.number(static_cast<std::uint32_t>(tensor.shape.n_dims));
  for (int axis = tensor.shape.n_dims - 1; axis >= 0; --axis) {
    header.number(static_cast<std::uint64_t>(tensor.shape[axis]));
  }
  header.number(static_cast<std::uint32_t>(traits(tensor.dtype).ggml_type));
  header.number(static_cast<std::uint64_t>(offset));
}

}  // namespace

GgufWriter::GgufWriter(GgufMetadata metadata, std::vector<Announced> tensors)
    : metadata_(std::move(metadata)), tensors_(std::move(tensors)) {}

Status GgufWriter::write(const std::string& path, TensorProducer produce) const {
  R1_TRY(const std::int64_t alignment, alignment_asked_for(metadata_));
  R1_TRY_STATUS(check_unique_names(tensors_));
  HeaderBytes header;
  header.number(kGgufMagic);
  header.number(kGgufVersion);
  header.number(std::uint64_t{tensors_.size()});
  header.number(std::uint64_t{metadata_.values().size()});
  add_metadata(header, metadata_);
  std::vector<std::int64_t> sizes;
  std::int64_t data_bytes = 0;
  for (const Announced& tensor : tensors_) {
    R1_TRY(const std::int64_t n_bytes, checked_gguf_bytes(tensor));
    add_entry(header, tensor, data_bytes);
    sizes.push_back(n_bytes);
    data_bytes = round_up(data_bytes + n_bytes, alignment);
  }

  const auto header_bytes = static_cast<std::int64_t>(header.bytes().size());
  const std::int64_t data_start = round_up(header_bytes, alignment);
  R1_TRY(OutputFile file, OutputFile::create(path, data_start + data_bytes));
  R1_TRY_STATUS(file.append(header.bytes()));
  R1_TRY_STATUS(file.append_zeros(data_start - header_bytes));
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (const Status status = stream_tensor(file, i, sizes[i], produce); !status.ok()) {
      return with_context(status.error(), "tensor " + tensors_[i].name);
    }
    R1_TRY_STATUS(file.append_zeros(round_up(sizes[i], alignment) - sizes[i]));
  }
  return file.commit();
}

}  // namespace r1
