// manifest.h: what a pulled model consists of and where it came from: `.r1-source.json` in the model's folder.
//
// It is written before the first byte is downloaded, so that an interrupted pull knows which files it has verified, and
// stays in the finished folder as the model's origin.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"

namespace r1 {

inline constexpr const char* kManifestName = ".r1-source.json";

struct ManifestFile {
  std::string path;  // below the model's folder
  std::int64_t bytes = 0;
  FileHash hash;
  bool operator==(const ManifestFile& other) const = default;
};

struct Manifest {
  std::string origin;  // "https://huggingface.co/deepseek-ai/DeepSeek-R1 at 56d4cbbb…"
  std::vector<ManifestFile> files;
};

std::int64_t total_bytes(const Manifest& manifest);

Result<Manifest> read_manifest(const std::string& folder);  // kNotFound where there is none
Status write_manifest(const std::string& folder, const Manifest& manifest);

// Every file is there with its length. Contents were verified before the files got their names, and aren't read again.
bool is_complete(const std::string& folder, const Manifest& manifest);

}  // namespace r1
