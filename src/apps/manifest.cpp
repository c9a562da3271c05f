// manifest.cpp: JSON of a manifest; a damaged one is an error that says which field is wrong.
#include "apps/manifest.h"

#include <algorithm>

#include <sys/stat.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/catalogue.h"
#include "base/file.h"
#include "base/json.h"

namespace r1 {

std::int64_t total_bytes(const Manifest& manifest) {
  std::int64_t bytes = 0;
  for (const ManifestFile& file : manifest.files) bytes += file.bytes;
  return bytes;
}

Result<Manifest> read_manifest(const std::string& folder) {
  const std::string path = folder + "/" + kManifestName;
  R1_TRY(const Json root, read_json_file(path, {.max_bytes = 16 << 20}));
  Manifest manifest;
  R1_TRY(manifest.origin, json_string(root, "origin", ""));
  const auto files = root.find("files");
  if (files == root.end() || !files->is_array()) {
    return Error{ErrorCode::kInvalidInput, path + ": 'files' must be a list"};
  }
  for (const Json& object : *files) {
    ManifestFile file;
    R1_TRY(file.path, json_string(object, "path", ""));
    R1_TRY(file.bytes, json_int(object, "bytes", -1));
    R1_TRY(const std::string hash, json_string(object, "hash", ""));
    R1_TRY(file.hash, parse_file_hash(hash, path));
    if (!is_safe_path(file.path) || file.bytes < 0 || file.bytes > kMaxModelFileBytes) {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}: '{}' is not a file of a model", path, file.path)};
    }
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

Status write_manifest(const std::string& folder, const Manifest& manifest) {
  OrderedJson files = OrderedJson::array();
  for (const ManifestFile& file : manifest.files) {
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"hash", to_string(file.hash)}});
  }
  const OrderedJson root = {{"origin", manifest.origin}, {"files", std::move(files)}};
  const std::string text = root.dump(1, ' ', false, OrderedJson::error_handler_t::replace);
  return write_file_atomically(folder + "/" + kManifestName, text + "\n");
}

bool is_complete(const std::string& folder, const Manifest& manifest) {
  return std::all_of(manifest.files.begin(), manifest.files.end(), [&](const ManifestFile& file) {
    struct stat status {};
    return ::stat((folder + "/" + file.path).c_str(), &status) == 0 && status.st_size == file.bytes;
  });
}

}  // namespace r1
