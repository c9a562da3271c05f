// gguf_parse.cpp: the bytes of one GGUF file to metadata and tensors, trusting none of them.
//
// Every count is held against the bytes that remain before a container grows to it, so memory stays a small multiple
// of the file whatever a header claims. Layout:
//   u32 magic, u32 version, u64 n_tensors, u64 n_pairs
//   n_pairs   x  string key, u32 type, value             array: u32 element type, u64 count, elements
//   n_tensors x  string name, u32 n_dims, u64 dims (fastest first), u32 type, u64 offset
//   zeros up to a multiple of the alignment, then the tensors, each at its offset from here
#include <algorithm>

#include <fmt/format.h>

#include "formats/byte_reader.h"
#include "formats/ggml_types.h"
#include "formats/gguf.h"
#include "formats/tensor_names.h"

namespace r1 {
namespace {

constexpr std::uint64_t kMinPairBytes = 8 + 1 + 4 + 1;            // empty keys are refused
constexpr std::uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;  // name of one byte, one dimension
constexpr std::uint64_t kMaxGgufHeaderBytes = std::uint64_t{512}
                                              << 20;             // R1's is 5 MB; widened in memory up to 8 times
constexpr std::uint64_t kMaxAlignment = std::uint64_t{1} << 40;  // a sum with any file offset stays in 64 bits
constexpr std::size_t kMaxKey = 65535;                           // bytes, by the format

struct TensorEntry {
  std::string name;
  Dtype dtype;
  Shape shape;
  std::int64_t n_bytes;
  std::uint64_t offset;  // from the start of the data
};

// ---- metadata -----------------------------------------------------------------------------------------------------

template <typename File>
Result<GgufValue> read_unsigned(ByteReader& bytes) {
  R1_TRY(const File value, bytes.read<File>("metadata value"));
  return GgufValue(std::uint64_t{value});
}
template <typename File>
Result<GgufValue> read_signed(ByteReader& bytes) {
  R1_TRY(const File value, bytes.read<File>("metadata value"));
  return GgufValue(std::int64_t{value});
}
template <typename File>
Result<GgufValue> read_float(ByteReader& bytes) {
  R1_TRY(const File value, bytes.read<File>("metadata value"));
  return GgufValue(double{value});
}

Result<bool> as_bool(std::uint8_t byte) {
  if (byte > 1) return invalid_input(fmt::format("a boolean is {}, neither 0 nor 1", byte));
  return byte == 1;
}

// An array of numbers: its size is known, so it is checked once and then copied, widened.
template <typename File, typename Memory>
Result<GgufValue> read_numbers(ByteReader& bytes, std::uint64_t n) {
  if (n > bytes.remaining() / sizeof(File)) {
    return invalid_input(
        fmt::format("an array of {} values of {} bytes, {} bytes are left", n, sizeof(File), bytes.remaining()));
  }
  R1_TRY(const std::span<const std::byte> source, bytes.take(n * sizeof(File), "array"));
  std::vector<Memory> values(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    File value;
    std::memcpy(&value, source.data() + i * sizeof(File), sizeof value);
    if (std::is_same_v<File, std::uint64_t> && static_cast<std::uint64_t>(value) > INT64_MAX) {
      return invalid_input(fmt::format("an array holds {}, too large", value));
    }
    values[i] = static_cast<Memory>(value);
  }
  return GgufValue(GgufArray{std::move(values)});
}

Result<GgufValue> read_bools(ByteReader& bytes, std::uint64_t n) {
  R1_TRY(const std::span<const std::byte> source, bytes.take(n, "array of booleans"));
  std::vector<bool> values;
  values.reserve(n);
  for (const std::byte byte : source) {
    R1_TRY(const bool value, as_bool(static_cast<std::uint8_t>(byte)));
    values.push_back(value);
  }
  return GgufValue(GgufArray{std::move(values)});
}

Result<GgufValue> read_strings(ByteReader& bytes, std::uint64_t n) {
  if (n > bytes.remaining() / 8) {  // a string is at least its length
    return invalid_input(fmt::format("an array of {} strings, {} bytes are left", n, bytes.remaining()));
  }
  std::vector<std::string> values;
  values.reserve(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    R1_TRY(const std::string_view value, bytes.string("string in an array"));
    values.emplace_back(value);
  }
  return GgufValue(GgufArray{std::move(values)});
}

Result<GgufValue> read_array(ByteReader& bytes) {
  R1_TRY(const std::uint32_t type, bytes.read<std::uint32_t>("array type"));
  R1_TRY(const std::uint64_t n, bytes.read<std::uint64_t>("array length"));
  switch (static_cast<GgufType>(type)) {
    case GgufType::kU8:
      return read_numbers<std::uint8_t, std::int64_t>(bytes, n);
    case GgufType::kI8:
      return read_numbers<std::int8_t, std::int64_t>(bytes, n);
    case GgufType::kU16:
      return read_numbers<std::uint16_t, std::int64_t>(bytes, n);
    case GgufType::kI16:
      return read_numbers<std::int16_t, std::int64_t>(bytes, n);
    case GgufType::kU32:
      return read_numbers<std::uint32_t, std::int64_t>(bytes, n);
    case GgufType::kI32:
      return read_numbers<std::int32_t, std::int64_t>(bytes, n);
    case GgufType::kU64:
      return read_numbers<std::uint64_t, std::int64_t>(bytes, n);
    case GgufType::kI64:
      return read_numbers<std::int64_t, std::int64_t>(bytes, n);
    case GgufType::kF32:
      return read_numbers<float, double>(bytes, n);
    case GgufType::kF64:
      return read_numbers<double, double>(bytes, n);
    case GgufType::kBool:
      return read_bools(bytes, n);
    case GgufType::kString:
      return read_strings(bytes, n);
    case GgufType::kArray:
      return Error{ErrorCode::kUnsupported, "an array of arrays, which no known key is"};
  }
  return invalid_input(fmt::format("array elements of type {}, which GGUF doesn't have", type));
}

Result<GgufValue> read_value(ByteReader& bytes) {
  R1_TRY(const std::uint32_t type, bytes.read<std::uint32_t>("metadata type"));
  switch (static_cast<GgufType>(type)) {
    case GgufType::kU8:
      return read_unsigned<std::uint8_t>(bytes);
    case GgufType::kI8:
      return read_signed<std::int8_t>(bytes);
    case GgufType::kU16:
      return read_unsigned<std::uint16_t>(bytes);
    case GgufType::kI16:
      return read_signed<std::int16_t>(bytes);
    case GgufType::kU32:
      return read_unsigned<std::uint32_t>(bytes);
    case GgufType::kI32:
      return read_signed<std::int32_t>(bytes);
    case GgufType::kU64:
      return read_unsigned<std::uint64_t>(bytes);
    case GgufType::kI64:
      return read_signed<std::int64_t>(bytes);
    case GgufType::kF32:
      return read_float<float>(bytes);
    case GgufType::kF64:
      return read_float<double>(bytes);
    case GgufType::kArray:
      return read_array(bytes);
    case GgufType::kBool: {
      R1_TRY(const std::uint8_t byte, bytes.read<std::uint8_t>("metadata value"));
      R1_TRY(const bool value, as_bool(byte));
      return GgufValue(value);
    }
    case GgufType::kString: {
      R1_TRY(const std::string_view value, bytes.string("metadata string"));
      return GgufValue(std::string(value));
    }
  }
  return invalid_input(fmt::format("a value of type {}, which GGUF doesn't have", type));
}

Status read_pair(ByteReader& bytes, GgufMetadata& metadata) {
  R1_TRY(const std::string_view key, bytes.string("metadata key"));
  if (key.empty() || key.size() > kMaxKey || has_control_characters(key)) {
    return invalid_input(fmt::format("metadata key {} is not a name", in_quotes(key)));
  }
  if (metadata.has(key)) return invalid_input(fmt::format("metadata key {} comes twice", in_quotes(key)));
  Result<GgufValue> value = read_value(bytes);
  if (!value.ok()) return with_context(value.error(), "metadata key " + in_quotes(key));
  metadata.set(std::string(key), std::move(value).value());
  return {};
}

// ---- tensors ------------------------------------------------------------------------------------------------------

Result<Shape> read_shape(ByteReader& bytes) {
  R1_TRY(const std::uint32_t n_dims, bytes.read<std::uint32_t>("number of dimensions"));
  if (n_dims < 1 || n_dims > Shape::kMaxDims) {
    return invalid_input(fmt::format("{} dimensions, there can be 1 to {}", n_dims, Shape::kMaxDims));
  }
  Shape shape;
  shape.n_dims = static_cast<int>(n_dims);
  for (int axis = shape.n_dims - 1; axis >= 0; --axis) {  // the file has the fastest first
    R1_TRY(const std::uint64_t dim, bytes.read<std::uint64_t>("dimension"));
    if (dim < 1 || dim > INT64_MAX) return invalid_input(fmt::format("a dimension of {}", dim));
    shape.dims[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(dim);
  }
  return shape;
}

Result<TensorEntry> read_entry_after_name(ByteReader& bytes, std::string_view name) {
  R1_TRY(const Shape shape, read_shape(bytes));
  R1_TRY(const std::uint32_t type, bytes.read<std::uint32_t>("tensor type"));
  R1_TRY(const std::uint64_t offset, bytes.read<std::uint64_t>("tensor offset"));
  const auto dtype = dtype_from_ggml(type);
  if (!dtype) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("type {} ({}), this build reads {}", type, ggml_type_name(type), readable_ggml_types())};
  }
  R1_TRY(const std::int64_t n_bytes, checked_bytes(*dtype, shape));
  return TensorEntry{std::string(name), *dtype, shape, n_bytes, offset};
}

Result<TensorEntry> read_entry(ByteReader& bytes) {
  R1_TRY(const std::string_view name, bytes.string("tensor name"));
  if (name.empty() || name.size() > kGgufMaxTensorName || has_control_characters(name)) {
    return invalid_input(fmt::format("{} is not a tensor's name", in_quotes(name)));
  }
  Result<TensorEntry> entry = read_entry_after_name(bytes, name);
  if (!entry.ok()) return with_context(entry.error(), "tensor " + in_quotes(name));
  return entry;
}

Result<std::uint64_t> alignment_of(const GgufMetadata& metadata) {
  R1_TRY(const std::int64_t alignment, metadata.integer("general.alignment", kGgufDefaultAlignment));
  const auto value = static_cast<std::uint64_t>(alignment);
  if (alignment < 8 || value > kMaxAlignment || !std::has_single_bit(value)) {
    return invalid_input(fmt::format("general.alignment is {}, not a power of two from 8 on", alignment));
  }
  return value;
}

Result<StoredTensor> locate(TensorEntry&& entry, std::span<const std::byte> data, std::uint64_t alignment) {
  if (entry.offset % alignment != 0) {
    return invalid_input(fmt::format("tensor {} lies at offset {}, no multiple of the alignment {}",
                                     in_quotes(entry.name), entry.offset, alignment));
  }
  const auto n_bytes = static_cast<std::uint64_t>(entry.n_bytes);
  if (entry.offset > data.size() || n_bytes > data.size() - entry.offset) {
    return invalid_input(fmt::format("tensor {} has {} bytes at offset {}, but the file ends at {}: is it cut short?",
                                     in_quotes(entry.name), n_bytes, entry.offset, data.size()));
  }
  return StoredTensor{std::move(entry.name), entry.dtype, entry.shape, data.data() + entry.offset, entry.n_bytes};
}

Status check_no_overlap(const std::vector<StoredTensor>& tensors) {
  std::vector<const StoredTensor*> by_place;
  by_place.reserve(tensors.size());
  for (const StoredTensor& tensor : tensors) by_place.push_back(&tensor);
  std::sort(by_place.begin(), by_place.end(), [](const auto* a, const auto* b) { return a->data < b->data; });
  for (std::size_t i = 1; i < by_place.size(); ++i) {
    if (by_place[i - 1]->data + by_place[i - 1]->n_bytes > by_place[i]->data) {
      return invalid_input(
          fmt::format("tensors {} and {} overlap", in_quotes(by_place[i - 1]->name), in_quotes(by_place[i]->name)));
    }
  }
  return {};
}

// ---- the file -----------------------------------------------------------------------------------------------------

Status check_magic_and_version(ByteReader& bytes) {
  R1_TRY(const std::uint32_t magic, bytes.read<std::uint32_t>("magic"));
  if (magic != kGgufMagic) return invalid_input("not a GGUF file: it doesn't start with 'GGUF'");
  R1_TRY(const std::uint32_t version, bytes.read<std::uint32_t>("version"));
  if (version == kGgufVersion) return {};
  if (version == __builtin_bswap32(kGgufVersion)) {
    return Error{ErrorCode::kUnsupported, "a big-endian GGUF file, this reader knows little-endian ones"};
  }
  return Error{ErrorCode::kUnsupported, fmt::format("GGUF version {}, this reader knows {}", version, kGgufVersion)};
}

Result<GgufMetadata> read_metadata(ByteReader& bytes, std::uint64_t n_pairs) {
  if (n_pairs > bytes.remaining() / kMinPairBytes) {
    return invalid_input(fmt::format("{} metadata keys announced, {} bytes are left", n_pairs, bytes.remaining()));
  }
  GgufMetadata metadata;
  for (std::uint64_t i = 0; i < n_pairs; ++i) R1_TRY_STATUS(read_pair(bytes, metadata));
  return metadata;
}

Result<std::vector<TensorEntry>> read_entries(ByteReader& bytes, std::uint64_t n_tensors) {
  if (n_tensors > bytes.remaining() / kMinTensorBytes) {
    return invalid_input(fmt::format("{} tensors announced, {} bytes are left", n_tensors, bytes.remaining()));
  }
  std::vector<TensorEntry> entries;
  entries.reserve(n_tensors);
  for (std::uint64_t i = 0; i < n_tensors; ++i) {
    R1_TRY(TensorEntry entry, read_entry(bytes));
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

Result<GgufContents> parse_gguf(std::span<const std::byte> file) {
  ByteReader bytes(file.first(std::min<std::uint64_t>(file.size(), kMaxGgufHeaderBytes)));
  R1_TRY_STATUS(check_magic_and_version(bytes));
  R1_TRY(const std::uint64_t n_tensors, bytes.read<std::uint64_t>("number of tensors"));
  R1_TRY(const std::uint64_t n_pairs, bytes.read<std::uint64_t>("number of metadata keys"));

  GgufContents contents;
  R1_TRY(contents.metadata, read_metadata(bytes, n_pairs));
  R1_TRY(std::vector<TensorEntry> entries, read_entries(bytes, n_tensors));
  R1_TRY(const std::uint64_t alignment, alignment_of(contents.metadata));

  const std::uint64_t data_start = (bytes.position() + alignment - 1) / alignment * alignment;
  const auto data = file.subspan(std::min<std::uint64_t>(data_start, file.size()));
  contents.tensors.reserve(entries.size());
  for (TensorEntry& entry : entries) {
    R1_TRY(StoredTensor tensor, locate(std::move(entry), data, alignment));
    contents.tensors.push_back(std::move(tensor));
  }
  R1_TRY_STATUS(check_unique_names(contents.tensors));
  R1_TRY_STATUS(check_no_overlap(contents.tensors));
  return contents;
}

}  // namespace r1
