// dtype.h: the number formats r1.cpp reads and computes with, and the shape of an array of them.
//
// Blocks are GGML's (ggml-common.h): rows are contiguous runs of blocks, so a row length is a multiple of block_values.
// F8E4M3 is DeepSeek's: one byte a value, and beside the tensor one f32 scale per 128 x 128 block.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace r1 {

enum class Dtype : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kF8E4M3,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kI32,
  kI64,  // seen in files, never multiplied
};
inline constexpr int kDtypeCount = 18;

struct DtypeTraits {
  Dtype dtype;
  std::string_view name;         // as `r1 inspect` prints it: "Q4_K"
  int block_values;              // values in one block
  int block_bytes;               // bytes of one block
  int ggml_type;                 // id in GGUF files, -1 where GGUF has none
  std::string_view safetensors;  // name in safetensors files, empty where they have none
};

const DtypeTraits& traits(Dtype dtype);
std::span<const DtypeTraits> all_dtypes();
std::optional<Dtype> dtype_from_ggml(std::uint32_t ggml_type);
std::optional<Dtype> dtype_from_safetensors(std::string_view name);
std::optional<Dtype> dtype_from_name(std::string_view name);  // "q4_k" or "Q4_K"

// F32, F16, BF16: values that need no block to be understood.
bool is_plain_float(Dtype dtype);

// Bytes of n consecutive values; n must be a multiple of block_values.
std::int64_t bytes_of(Dtype dtype, std::int64_t n_values);

// Up to four dimensions, slowest first: {n_rows, n_cols} is a row-major matrix.
struct Shape {
  static constexpr int kMaxDims = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> lengths);

  int n_dims = 0;
  std::array<std::int64_t, kMaxDims> dims{};

  std::int64_t operator[](int axis) const { return dims[static_cast<std::size_t>(axis)]; }
  std::int64_t last() const { return n_dims == 0 ? 1 : dims[static_cast<std::size_t>(n_dims - 1)]; }  // the row length
  std::int64_t n_values() const;  // product of all dimensions; 1 for a scalar
  std::int64_t n_rows() const;    // product of all but the last
  bool operator==(const Shape& other) const = default;
};

std::string to_string(const Shape& shape);  // "[256, 64]"

// Bytes of a whole tensor, for shapes that come from a file: an Error when a dimension is negative, the product
// overflows, or the row length is not a multiple of the block.
Result<std::int64_t> checked_bytes(Dtype dtype, const Shape& shape);

}  // namespace r1
