// checkpoint.cpp: bytes out through a file that gets its name at the end, bytes in through a mapping that is checked.
#include "train/checkpoint.h"

#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "formats/output_file.h"

namespace r1 {
namespace {

constexpr std::string_view kMagic = "r1train1";
constexpr std::size_t kHashDigits = 64;

std::span<const std::byte> bytes_of_text(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::span<const std::byte> bytes_of_array(const std::vector<float>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)};
}

std::string header_of(const Checkpoint& checkpoint) {
  OrderedJson arrays = OrderedJson::array();
  for (const auto& [name, values] : checkpoint.arrays) arrays.push_back({{"name", name}, {"values", values.size()}});
  return OrderedJson{{"state", OrderedJson::parse(checkpoint.state)}, {"arrays", arrays}}.dump();
}

Error broken(const std::string& path, std::string_view what) {
  return {ErrorCode::kInvalidInput, fmt::format("checkpoint '{}': {}", path, what)};
}

}  // namespace

Status save_checkpoint(const Checkpoint& checkpoint, const std::string& path) {
  const std::string header = header_of(checkpoint);
  const std::uint64_t length = header.size();
  std::vector<std::span<const std::byte>> parts = {
      bytes_of_text(kMagic), {reinterpret_cast<const std::byte*>(&length), sizeof length}, bytes_of_text(header)};
  for (const auto& [name, values] : checkpoint.arrays) parts.push_back(bytes_of_array(values));
  std::int64_t n_bytes = kHashDigits;
  for (const auto& part : parts) n_bytes += static_cast<std::int64_t>(part.size());
  Hasher hasher(HashKind::kSha256, n_bytes);
  R1_TRY(OutputFile file, OutputFile::create(path, n_bytes));
  for (const auto& part : parts) {
    hasher.update(part);
    R1_TRY_STATUS(file.append(part));
  }
  R1_TRY_STATUS(file.append(bytes_of_text(hasher.finish().hex)));
  return file.commit();
}

Result<Checkpoint> load_checkpoint(const std::string& path) {
  R1_TRY(const MappedFile file, MappedFile::open(path));
  std::span<const std::byte> left = file.bytes();
  constexpr std::size_t kFixed = 8 + sizeof(std::uint64_t);
  if (left.size() < kFixed + kHashDigits || std::memcmp(left.data(), kMagic.data(), kMagic.size()) != 0) {
    return broken(path, "not a checkpoint of this program");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, left.data() + kMagic.size(), sizeof length);
  const std::size_t room = left.size() - kFixed - kHashDigits;
  if (length > room) return broken(path, fmt::format("cut short: a header of {} bytes, {} are left", length, room));

  Hasher hasher(HashKind::kSha256, static_cast<std::int64_t>(left.size()));
  hasher.update(left.first(left.size() - kHashDigits));
  const std::string_view written(reinterpret_cast<const char*>(left.data()) + left.size() - kHashDigits, kHashDigits);
  if (hasher.finish().hex != written) return broken(path, "its contents differ from its hash: cut short or damaged");

  const std::string_view header(reinterpret_cast<const char*>(left.data()) + kFixed, static_cast<std::size_t>(length));
  R1_TRY(const Json parsed, parse_json(header, path));
  left = left.subspan(kFixed + static_cast<std::size_t>(length), room - static_cast<std::size_t>(length));
  Checkpoint checkpoint;
  checkpoint.state = parsed.value("state", Json::object()).dump();
  for (const Json& array : parsed.value("arrays", Json::array())) {
    R1_TRY(const std::string name, json_string(array, "name", ""));
    R1_TRY(const std::int64_t n, json_int(array, "values", 0));
    if (n < 0 || static_cast<std::uint64_t>(n) > left.size() / sizeof(float)) {
      return broken(path, fmt::format("array '{}' of {} values, {} bytes are left", name, n, left.size()));
    }
    std::vector<float>& values = checkpoint.arrays[name];
    values.resize(static_cast<std::size_t>(n));
    std::memcpy(values.data(), left.data(), values.size() * sizeof(float));
    left = left.subspan(values.size() * sizeof(float));
  }
  return checkpoint;
}

}  // namespace r1
