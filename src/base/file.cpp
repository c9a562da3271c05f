// file.cpp: reads with a limit, writes through a temporary name.
#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>

namespace r1 {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

Error system_error(std::string_view action, const std::string& path) {
  const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, fmt::format("{} {}: {}", action, path, std::strerror(errno))};
}

Status write_and_sync(int descriptor, std::string_view contents, const std::string& path) {
  while (!contents.empty()) {
    const ssize_t written = ::write(descriptor, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("writing", path);
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(descriptor) != 0) return system_error("syncing", path);
  return {};
}

}  // namespace

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

Result<std::string> read_file(const std::string& path, std::int64_t max_bytes) {
  if (is_directory(path)) return Error{ErrorCode::kInvalidInput, path + ": a folder where a file is needed"};
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) return system_error("reading", path);
  std::string contents;
  char chunk[1 << 16];
  while (const std::size_t n = std::fread(chunk, 1, sizeof chunk, file.get())) {
    contents.append(chunk, n);
    if (static_cast<std::int64_t>(contents.size()) > max_bytes) {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}: longer than the {} bytes it may have", path, max_bytes)};
    }
  }
  if (std::ferror(file.get()) != 0) return system_error("reading", path);
  return contents;
}

Status write_file_atomically(const std::string& path, std::string_view contents) {
  const std::string partial = path + ".partial";
  const int descriptor = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return system_error("creating", partial);
  Status status = write_and_sync(descriptor, contents, partial);
  ::close(descriptor);
  if (status.ok() && ::rename(partial.c_str(), path.c_str()) != 0) status = system_error("renaming to", path);
  if (!status.ok()) ::unlink(partial.c_str());
  return status;
}

}  // namespace r1
