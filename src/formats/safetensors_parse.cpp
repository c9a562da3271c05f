// safetensors_parse.cpp: the bytes of one safetensors file to tensors, trusting none of them.
//
//   u64 length of the header; the header, JSON: {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]},
//   ..., "__metadata__": {"format": "pt"}}; the data, which the tensors cover without gap or overlap.
// The header is read event by event, without a tree: memory stays a small multiple of it, and a name that comes twice
// is seen.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "formats/byte_reader.h"
#include "formats/safetensors.h"
#include "formats/tensor_names.h"

namespace r1 {
namespace {

constexpr std::uint64_t kMaxJsonHeaderBytes = 100'000'000;  // the reference implementation's limit

struct Entry {
  std::string name, dtype;
  std::vector<std::uint64_t> shape, offsets;
  bool has_shape = false;
};

// What nlohmann's parser calls; each returns false to stop, with `error` set.
class HeaderEvents : public Json::json_sax_t {
 public:
  std::vector<Entry> entries;
  std::string error;

  bool start_object(std::size_t) override {
    if (depth_ == 2 || in_array_ != nullptr) return unexpected();
    ++depth_;
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool key(string_t& name) override {
    field_ = name;
    if (depth_ == 2) return true;
    in_metadata_ = name == "__metadata__";
    if (!in_metadata_) entries.emplace_back().name = name;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || in_array_ != nullptr) return unexpected();
    Entry& entry = entries.back();
    if (field_ != "shape" && field_ != "data_offsets") return unexpected();
    if (field_ == "shape") entry.has_shape = true;
    in_array_ = field_ == "shape" ? &entry.shape : &entry.offsets;
    in_array_->clear();
    return true;
  }
  bool end_array() override {
    in_array_ = nullptr;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (in_array_ == nullptr || in_array_->size() >= Shape::kMaxDims) return unexpected();
    in_array_->push_back(value);
    return true;
  }
  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) return true;
    if (depth_ != 2 || field_ != "dtype" || in_array_ != nullptr) return unexpected();
    entries.back().dtype = value;
    return true;
  }
  bool null() override { return unexpected(); }
  bool boolean(bool) override { return unexpected(); }
  bool number_integer(number_integer_t) override { return unexpected(); }  // below zero
  bool number_float(number_float_t, const string_t&) override { return unexpected(); }
  bool binary(binary_t&) override { return unexpected(); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    error = fmt::format("the header is not valid JSON at its byte {}", position);
    return false;
  }

 private:
  bool unexpected() {
    if (entries.empty() || depth_ < 2 || in_metadata_) {
      error = "the header is not a JSON object of tensors";
    } else {
      error = fmt::format("tensor {}: its dtype, shape or data_offsets is not what it should be",
                          in_quotes(entries.back().name));
    }
    return false;
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::string field_;
  std::vector<std::uint64_t>* in_array_ = nullptr;
};

std::string readable_types() {
  std::string names;
  for (const DtypeTraits& type : all_dtypes()) {
    if (type.safetensors.empty()) continue;
    names += names.empty() ? "" : ", ";
    names += type.safetensors;
  }
  return names;
}

Result<Shape> shape_of(const Entry& entry) {
  Shape shape;
  for (const std::uint64_t dim : entry.shape) {
    if (dim > INT64_MAX) return invalid_input(fmt::format("a dimension of {}", dim));
    shape.dims[static_cast<std::size_t>(shape.n_dims++)] = static_cast<std::int64_t>(dim);
  }
  return shape;
}

Result<StoredTensor> locate(Entry&& entry, std::span<const std::byte> data) {
  if (entry.dtype.empty() || !entry.has_shape || entry.offsets.size() != 2) {
    return invalid_input("without dtype, shape or two data_offsets");
  }
  const auto dtype = dtype_from_safetensors(entry.dtype);
  if (!dtype) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("type {}, this build reads {}", in_quotes(entry.dtype), readable_types())};
  }
  R1_TRY(const Shape shape, shape_of(entry));
  R1_TRY(const std::int64_t n_bytes, checked_bytes(*dtype, shape));
  const std::uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > data.size()) {
    return invalid_input(fmt::format("data_offsets {} to {}, but the data has {} bytes: is the file cut short?", begin,
                                     end, data.size()));
  }
  if (end - begin != static_cast<std::uint64_t>(n_bytes)) {
    return invalid_input(fmt::format("{} of {} is {} bytes, but data_offsets {} to {} are {}", to_string(shape),
                                     entry.dtype, n_bytes, begin, end, end - begin));
  }
  return StoredTensor{std::move(entry.name), *dtype, shape, data.data() + begin, n_bytes};
}

Result<std::vector<Entry>> read_header(ByteReader& bytes) {
  R1_TRY(const std::uint64_t n_bytes, bytes.read<std::uint64_t>("header length"));
  if (n_bytes > kMaxJsonHeaderBytes) {
    return invalid_input(fmt::format("a header of {} bytes, at most {} are read: not a safetensors file?", n_bytes,
                                     kMaxJsonHeaderBytes));
  }
  R1_TRY(const std::span<const std::byte> header, bytes.take(n_bytes, "header"));
  const auto* text = reinterpret_cast<const char*>(header.data());
  HeaderEvents events;
  if (!Json::sax_parse(text, text + header.size(), &events)) return invalid_input(std::move(events.error));
  return std::move(events.entries);
}

// The tensors, sorted by place, cover the data exactly.
Status check_coverage(const std::vector<StoredTensor>& tensors, std::span<const std::byte> data) {
  const std::byte* covered = data.data();
  const StoredTensor* before = nullptr;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.data < covered) {
      return invalid_input(fmt::format("tensors {} and {} overlap", in_quotes(before->name), in_quotes(tensor.name)));
    }
    if (tensor.data > covered) {
      return invalid_input(
          fmt::format("{} bytes before tensor {} belong to none", tensor.data - covered, in_quotes(tensor.name)));
    }
    covered = tensor.data + tensor.n_bytes;
    before = &tensor;
  }
  const std::ptrdiff_t left = data.data() + data.size() - covered;
  if (left != 0) return invalid_input(fmt::format("{} bytes at the end belong to no tensor", left));
  return {};
}

}  // namespace

Result<std::vector<StoredTensor>> parse_safetensors(std::span<const std::byte> file) {
  ByteReader bytes(file);
  R1_TRY(std::vector<Entry> entries, read_header(bytes));
  const std::span<const std::byte> data = file.subspan(bytes.position());
  std::vector<StoredTensor> tensors;
  tensors.reserve(entries.size());
  for (Entry& entry : entries) {
    const std::string name = in_quotes(entry.name);
    if (entry.name.empty() || has_control_characters(entry.name))
      return invalid_input(name + " is not a tensor's name");
    Result<StoredTensor> tensor = locate(std::move(entry), data);
    if (!tensor.ok()) return with_context(tensor.error(), "tensor " + name);
    tensors.push_back(std::move(tensor).value());
  }
  R1_TRY_STATUS(check_unique_names(tensors));
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return a.data != b.data ? a.data < b.data : a.n_bytes < b.n_bytes;
  });
  R1_TRY_STATUS(check_coverage(tensors, data));
  return tensors;
}

}  // namespace r1
