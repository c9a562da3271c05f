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

// File systems that can't reserve are no failure: writing will tell.
bool reserve(int descriptor, std::int64_t n_bytes) {
  if (n_bytes == 0) return true;
  int result;
  do {
    result = ::fallocate(descriptor, 0, 0, n_bytes);
  } while (result != 0 && errno == EINTR);
  return result == 0 || (errno != ENOSPC && errno != EFBIG && errno != EDQUOT);
}

}  // namespace

OutputFile::OutputFile(std::string path, int descriptor, std::int64_t n_bytes)
    : path_(std::move(path)), partial_path_(path_ + ".partial"), descriptor_(descriptor), n_bytes_(n_bytes) {
  buffer_.reserve(kBufferBytes);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_path_(std::move(other.partial_path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      n_bytes_(other.n_bytes_),
      buffer_(std::move(other.buffer_)) {}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(partial_path_.c_str());
}

Result<OutputFile> OutputFile::create(const std::string& path, std::int64_t n_bytes) {
  const std::string partial_path = path + ".partial";
  const int descriptor = ::open(partial_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return Error{ErrorCode::kIo, fmt::format("creating {}: {}", partial_path, std::strerror(errno))};
  OutputFile file(path, descriptor, n_bytes);
  if (!reserve(descriptor, n_bytes)) return file.failed("making room for");
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
  if (::rename(partial_path_.c_str(), path_.c_str()) != 0) return failed("renaming to");
  ::close(std::exchange(descriptor_, -1));
  return {};
}

}  // namespace r1
