// mapped_file.cpp: open, map, close; the mapping outlives the descriptor.
#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace r1 {
namespace {

Error system_error(const std::string& path) {
  const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, path + ": " + std::strerror(errno)};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return system_error(path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) {
    Error error = system_error(path);
    ::close(descriptor);
    return error;
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return Error{ErrorCode::kInvalidInput, path + ": not a regular file"};
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = nullptr;
  if (size > 0) data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
  if (data == MAP_FAILED) {
    Error error = system_error(path);
    ::close(descriptor);
    return error;
  }
  ::close(descriptor);
  // Pages of 2 MB where the system can: read ahead whole, and found by the processor at once (docs/experiments.md).
  if (size > 0) (void)::madvise(data, size, MADV_HUGEPAGE);
  const bool is_ours = status.st_uid == ::geteuid() || ::access(path.c_str(), W_OK) == 0;
  return MappedFile(path, static_cast<const std::byte*>(data), status.st_size, is_ours);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      shows_residency_(other.shows_residency_),
      guard_(std::move(other.guard_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(shows_residency_, other.shows_residency_);
  guard_ = std::move(other.guard_);
  return *this;
}

MappedFile::~MappedFile() {
  guard_ = {};
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), static_cast<std::size_t>(size_));
}

std::int64_t resident_bytes(std::span<const std::byte> bytes) {
  static const auto kPageBytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  constexpr std::uintptr_t kPagesAtATime = 4096;
  unsigned char is_resident[kPagesAtATime];
  const auto first = reinterpret_cast<std::uintptr_t>(bytes.data()), last = first + bytes.size();
  std::uintptr_t n_resident = 0;
  for (std::uintptr_t page = first / kPageBytes * kPageBytes; page < last; page += kPagesAtATime * kPageBytes) {
    const std::uintptr_t n_pages = std::min(kPagesAtATime, (last - page + kPageBytes - 1) / kPageBytes);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the page of an address is an address
    if (::mincore(reinterpret_cast<void*>(page), n_pages * kPageBytes, is_resident) != 0) continue;
    for (std::uintptr_t i = 0; i < n_pages; ++i) {
      const std::uintptr_t begin = page + i * kPageBytes;
      if ((is_resident[i] & 1) != 0) n_resident += std::min(last, begin + kPageBytes) - std::max(first, begin);
    }
  }
  return static_cast<std::int64_t>(n_resident);
}

}  // namespace r1
