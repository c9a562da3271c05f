// gguf_bytes_for_tests.h: builds GGUF bytes field by field, right or wrong, so that tests can say exactly what is odd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "formats/ggml_types.h"

namespace r1 {

class GgufBytes {
 public:
  template <typename T>
  GgufBytes& raw(T value) {
    static_assert(std::is_arithmetic_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  GgufBytes& text(std::string_view value) {
    raw(std::uint64_t{value.size()});
    bytes_ += value;
    return *this;
  }
  GgufBytes& header(std::uint64_t n_tensors, std::uint64_t n_pairs) {
    return raw(kGgufMagic).raw(kGgufVersion).raw(n_tensors).raw(n_pairs);
  }
  GgufBytes& key(std::string_view name, GgufType type) { return text(name).raw(static_cast<std::uint32_t>(type)); }
  GgufBytes& array(std::string_view name, GgufType type, std::uint64_t n) {
    return key(name, GgufType::kArray).raw(static_cast<std::uint32_t>(type)).raw(n);
  }
  // Dimensions fastest first, as the file has them.
  GgufBytes& tensor(std::string_view name, std::vector<std::uint64_t> dims, std::uint32_t type, std::uint64_t offset) {
    text(name).raw(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t dim : dims) raw(dim);
    return raw(type).raw(offset);
  }
  GgufBytes& pad(std::size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment, '\0');
    return *this;
  }
  GgufBytes& data(std::size_t n, char value) {
    bytes_.append(n, value);
    return *this;
  }

  const std::string& string() const { return bytes_; }
  std::span<const std::byte> span() const { return std::as_bytes(std::span(bytes_)); }

 private:
  std::string bytes_;
};

}  // namespace r1
