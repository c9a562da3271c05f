// file.h: whole small files: read one with a limit, write one so that a crash leaves the old or the new, never half.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace r1 {

Result<std::string> read_file(const std::string& path, std::int64_t max_bytes);

// Writes beside the target, syncs, then renames.
Status write_file_atomically(const std::string& path, std::string_view contents);

bool file_exists(const std::string& path);
bool is_directory(const std::string& path);

}  // namespace r1
