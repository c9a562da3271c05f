// output_file.cpp: write, sync, rename.
#include "formats/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr const char* kDescriptors = "/proc/self/fd";

// File systems that can't reserve are no failure: writing will tell.
bool reserve(int descriptor, std::int64_t n_bytes) {
  if (n_bytes == 0) return true;
  int result;
  do {
    result = ::fallocate(descriptor, 0, 0, n_bytes);
  } while (result != 0 && errno == EINTR);
  return result == 0 || (errno != ENOSPC && errno != EFBIG && errno != EDQUOT);
}

// A file without a name, which the system forgets with the process, even one that is killed: -1 where the file system
// can't.
int create_unnamed(const std::string& path) {
  if (::access(kDescriptors, X_OK) != 0) return -1;  // it could never be given a name
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  return ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
}

int create_named(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

// Gives an unnamed file its first name.
bool give_name(int descriptor, const std::string& path) {
  ::unlink(path.c_str());
  const std::string by_descriptor = fmt::format("{}/{}", kDescriptors, descriptor);
  return ::linkat(AT_FDCWD, by_descriptor.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

}  // namespace

OutputFile::OutputFile(const std::string& path, std::int64_t n_bytes)
    : path_(path), partial_path_(path + ".partial"), n_bytes_(n_bytes) {
  buffer_.reserve(kBufferBytes);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_path_(std::move(other.partial_path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      is_named_(other.is_named_),
      n_bytes_(other.n_bytes_),
      buffer_(std::move(other.buffer_)) {}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (is_named_) ::unlink(partial_path_.c_str());
}

Result<OutputFile> OutputFile::create(const std::string& path, std::int64_t n_bytes) {
  OutputFile file(path, n_bytes);
  file.descriptor_ = create_unnamed(path);
  if (file.descriptor_ < 0) {
    file.descriptor_ = create_named(file.partial_path_);
    file.is_named_ = true;
  }
  if (file.descriptor_ < 0) return Error{ErrorCode::kIo, fmt::format("creating {}: {}", path, std::strerror(errno))};
  if (!reserve(file.descriptor_, n_bytes)) return file.failed("making room for");
  return file;
}

Error OutputFile::failed(std::string_view action) const {
  const ErrorCode code = errno == ENOSPC || errno == EDQUOT ? ErrorCode::kOutOfResource : ErrorCode::kIo;
  return {code, fmt::format("{} {} ({} bytes): {}", action, path_, n_bytes_, std::strerror(errno))};
}

Status OutputFile::write_out(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("writing");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status OutputFile::append(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > kBufferBytes) {
    R1_TRY_STATUS(write_out(buffer_));
    buffer_.clear();
    if (bytes.size() >= kBufferBytes) return write_out(bytes);
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return {};
}

Status OutputFile::append_zeros(std::int64_t n_bytes) {
  constexpr std::byte kZeros[4096] = {};
  while (n_bytes > 0) {
    const std::int64_t n = std::min<std::int64_t>(n_bytes, sizeof kZeros);
    R1_TRY_STATUS(append(std::span(kZeros).first(static_cast<std::size_t>(n))));
    n_bytes -= n;
  }
  return {};
}

Status OutputFile::commit() {
  R1_TRY_STATUS(write_out(buffer_));
  buffer_.clear();
  if (::fsync(descriptor_) != 0) return failed("syncing");
  if (!is_named_) {
    if (!give_name(descriptor_, partial_path_)) return failed("naming");
    is_named_ = true;
  }
  if (::rename(partial_path_.c_str(), path_.c_str()) != 0) return failed("renaming to");
  ::close(std::exchange(descriptor_, -1));
  return {};
}

}  // namespace r1
