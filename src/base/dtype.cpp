// dtype.cpp: the table of number formats; block sizes and type ids are GGML's.
#include "base/dtype.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr DtypeTraits kTraits[] = {
    {Dtype::kF32, "F32", 1, 4, 0, "F32"},       {Dtype::kF16, "F16", 1, 2, 1, "F16"},
    {Dtype::kBF16, "BF16", 1, 2, 30, "BF16"},   {Dtype::kF8E4M3, "F8_E4M3", 1, 1, -1, "F8_E4M3"},
    {Dtype::kQ4_0, "Q4_0", 32, 18, 2, ""},      {Dtype::kQ4_1, "Q4_1", 32, 20, 3, ""},
    {Dtype::kQ5_0, "Q5_0", 32, 22, 6, ""},      {Dtype::kQ5_1, "Q5_1", 32, 24, 7, ""},
    {Dtype::kQ8_0, "Q8_0", 32, 34, 8, ""},      {Dtype::kQ2_K, "Q2_K", 256, 84, 10, ""},
    {Dtype::kQ3_K, "Q3_K", 256, 110, 11, ""},   {Dtype::kQ4_K, "Q4_K", 256, 144, 12, ""},
    {Dtype::kQ5_K, "Q5_K", 256, 176, 13, ""},   {Dtype::kQ6_K, "Q6_K", 256, 210, 14, ""},
    {Dtype::kIQ4_NL, "IQ4_NL", 32, 18, 20, ""}, {Dtype::kIQ4_XS, "IQ4_XS", 256, 136, 23, ""},
    {Dtype::kI32, "I32", 1, 4, 26, "I32"},      {Dtype::kI64, "I64", 1, 8, 27, "I64"},
};
static_assert(std::size(kTraits) == kDtypeCount);

constexpr bool in_enum_order() {
  for (int i = 0; i < kDtypeCount; ++i) {
    if (static_cast<int>(kTraits[i].dtype) != i) return false;
  }
  return true;
}
static_assert(in_enum_order(), "traits() indexes the table by the enumerator");

template <typename Predicate>
std::optional<Dtype> find(Predicate matches) {
  const auto* found = std::find_if(std::begin(kTraits), std::end(kTraits), matches);
  if (found == std::end(kTraits)) return std::nullopt;
  return found->dtype;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

}  // namespace

const DtypeTraits& traits(Dtype dtype) { return kTraits[static_cast<int>(dtype)]; }
std::span<const DtypeTraits> all_dtypes() { return kTraits; }

std::optional<Dtype> dtype_from_ggml(std::uint32_t ggml_type) {
  return find(
      [&](const DtypeTraits& t) { return t.ggml_type >= 0 && static_cast<std::uint32_t>(t.ggml_type) == ggml_type; });
}
std::optional<Dtype> dtype_from_safetensors(std::string_view name) {
  return find([&](const DtypeTraits& t) { return !t.safetensors.empty() && t.safetensors == name; });
}
std::optional<Dtype> dtype_from_name(std::string_view name) {
  return find([&](const DtypeTraits& t) { return equals_ignoring_case(t.name, name); });
}

bool is_plain_float(Dtype dtype) { return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16; }

std::int64_t bytes_of(Dtype dtype, std::int64_t n_values) {
  const DtypeTraits& t = traits(dtype);
  R1_DCHECK(n_values % t.block_values == 0);
  return n_values / t.block_values * t.block_bytes;
}

Shape::Shape(std::initializer_list<std::int64_t> lengths) : n_dims(static_cast<int>(lengths.size())) {
  R1_ASSERT(lengths.size() <= kMaxDims, "a Shape has at most four dimensions");
  std::copy(lengths.begin(), lengths.end(), dims.begin());
}

std::int64_t Shape::n_values() const { return n_rows() * last(); }

std::int64_t Shape::n_rows() const {
  std::int64_t product = 1;
  for (int axis = 0; axis + 1 < n_dims; ++axis) product *= (*this)[axis];
  return product;
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.dims.begin(), shape.dims.begin() + shape.n_dims, ", "));
}

Result<std::int64_t> checked_bytes(Dtype dtype, const Shape& shape) {
  const DtypeTraits& t = traits(dtype);
  std::int64_t n_values = 1;
  for (int axis = 0; axis < shape.n_dims; ++axis) {
    if (shape[axis] < 0 || __builtin_mul_overflow(n_values, shape[axis], &n_values)) {
      return Error{ErrorCode::kInvalidInput, fmt::format("shape {} has no sensible size", to_string(shape))};
    }
  }
  if (shape.last() % t.block_values != 0) {
    return Error{ErrorCode::kInvalidInput, fmt::format("rows of {} values can't be {}, whose blocks hold {}",
                                                       shape.last(), t.name, t.block_values)};
  }
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(n_values / t.block_values, std::int64_t{t.block_bytes}, &bytes)) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("shape {} of {} has no sensible size", to_string(shape), t.name)};
  }
  return bytes;
}

}  // namespace r1
