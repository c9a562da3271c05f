// tensor_names.cpp: names that come from files nobody vouches for.
#include "formats/tensor_names.h"

#include <algorithm>

#include <fmt/format.h>

namespace r1 {
namespace {

template <typename Tensor>
Status check_unique(const std::vector<Tensor>& tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const Tensor& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return Error{ErrorCode::kInvalidInput, fmt::format("tensor {} comes twice", in_quotes(*twice))};
}

}  // namespace

Status check_unique_names(const std::vector<StoredTensor>& tensors) { return check_unique(tensors); }
Status check_unique_names(const std::vector<AnnouncedTensor>& tensors) { return check_unique(tensors); }

bool has_control_characters(std::string_view name) {
  return std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string in_quotes(std::string_view name) {
  constexpr std::size_t kMaxShown = 80;
  std::string shown = "'";
  for (const char c : name.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += c;
    }
  }
  return shown + (name.size() > kMaxShown ? "...'" : "'");
}

}  // namespace r1
