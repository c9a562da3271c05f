// byte_reader.h: reads little-endian fields off the front of bytes that nobody vouches for. Every read is checked
// against the bytes that remain; an Error says which field the file ended in, and where.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace r1 {

static_assert(std::endian::native == std::endian::little, "files are little-endian and read in place");

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }

  // `field` names what is read, for the Error.
  template <typename T>
  Result<T> read(std::string_view field) {
    static_assert(std::is_arithmetic_v<T>);
    R1_TRY(const std::span<const std::byte> taken, take(sizeof(T), field));
    T value;
    std::memcpy(&value, taken.data(), sizeof value);
    return value;
  }

  // Borrowed: lives as long as the bytes.
  Result<std::span<const std::byte>> take(std::uint64_t n_bytes, std::string_view field) {
    if (n_bytes > remaining()) return ends_within(n_bytes, field);
    const std::span<const std::byte> taken = bytes_.subspan(position_, n_bytes);
    position_ += n_bytes;
    return taken;
  }

  // GGUF's strings: a 64-bit length, then that many bytes.
  Result<std::string_view> string(std::string_view field) {
    R1_TRY(const std::uint64_t length, read<std::uint64_t>(field));
    R1_TRY(const std::span<const std::byte> taken, take(length, field));
    return std::string_view(reinterpret_cast<const char*>(taken.data()), taken.size());
  }

 private:
  Error ends_within(std::uint64_t n_bytes, std::string_view field) const {
    return {ErrorCode::kInvalidInput, std::string(field) + " at byte " + std::to_string(position_) + " needs " +
                                          std::to_string(n_bytes) + " bytes, " + std::to_string(remaining()) +
                                          " are left"};
  }

  std::span<const std::byte> bytes_;
  std::uint64_t position_ = 0;
};

}  // namespace r1
