// ggml_types.h: the numbers GGUF files use for tensor types and for metadata value types.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace r1 {

inline constexpr std::uint32_t kGgufMagic = 0x46554747;  // "GGUF"
inline constexpr std::uint32_t kGgufVersion = 3;
inline constexpr std::uint64_t kGgufDefaultAlignment = 32;
inline constexpr std::size_t kGgufMaxTensorName = 64;  // bytes

enum class GgufType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// Name of a tensor type, also of those this build can't read: "IQ2_XXS"; "unknown" for numbers GGML hasn't given out.
std::string_view ggml_type_name(std::uint32_t ggml_type);

// The tensor types this build reads from GGUF files: "F32, F16, ...", for error messages.
std::string readable_ggml_types();

}  // namespace r1
