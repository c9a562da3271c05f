// partial_file.cpp: the order of writes is the point: bytes, sync, promise.
#include "apps/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/units.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

constexpr std::int64_t kSyncBytes = 64 << 20, kSyncMs = 1000;

Error disk_error(std::string_view action, const std::string& path, int error) {
  if (error == ENOSPC || error == EDQUOT) {
    return {ErrorCode::kOutOfResource,
            fmt::format("{}: the disk is full; make room and pull again, what is here is kept", path)};
  }
  return {ErrorCode::kIo, fmt::format("{} {}: {}", action, path, std::strerror(error))};
}

struct Sidecar {
  std::string url, etag, hash;
  std::int64_t bytes = 0, synced_bytes = 0;
};

// Nothing when there is none, or none that can be trusted: the download then starts over, which is always right.
std::optional<Sidecar> read_sidecar(const std::string& path) {
  const auto root = read_json_file(path, {.max_bytes = 1 << 20});
  if (!root.ok()) return std::nullopt;
  const auto url = json_string(*root, "url", ""), etag = json_string(*root, "etag", "");
  const auto hash = json_string(*root, "hash", "");
  const auto bytes = json_int(*root, "bytes", -1), synced_bytes = json_int(*root, "synced_bytes", -1);
  if (!url.ok() || !etag.ok() || !hash.ok() || !bytes.ok() || !synced_bytes.ok()) return std::nullopt;
  if (*synced_bytes < 0 || *synced_bytes > *bytes) return std::nullopt;
  return Sidecar{*url, *etag, *hash, *bytes, *synced_bytes};
}

// A name is on disk when its folder is.
void sync_folder_of(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

PartialFile::PartialFile(Target target, int descriptor)
    : target_(std::move(target)),
      descriptor_(descriptor),
      hasher_(target_.hash.kind, target_.bytes),
      synced_at_ms_(monotonic_ms()) {}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : target_(std::move(other.target_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      hasher_(std::move(other.hasher_)),
      bytes_(other.bytes_),
      synced_bytes_(other.synced_bytes_),
      synced_at_ms_(other.synced_at_ms_),
      url_(std::move(other.url_)),
      etag_(std::move(other.etag_)) {}

PartialFile::~PartialFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<PartialFile> PartialFile::open(Target target, FunctionRef<void(std::int64_t)> on_rehash) {
  const std::string path = target.path + ".partial";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor < 0) return disk_error("opening", path, errno);
  PartialFile partial(std::move(target), descriptor);
  R1_TRY_STATUS(partial.resume(on_rehash));
  return partial;
}

Status PartialFile::resume(FunctionRef<void(std::int64_t)> on_rehash) {
  const auto sidecar = read_sidecar(sidecar_path());
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return disk_error("reading", partial_path(), errno);
  if (!sidecar || sidecar->bytes != target_.bytes || sidecar->hash != to_string(target_.hash)) return restart();
  bytes_ = synced_bytes_ = std::min<std::int64_t>(sidecar->synced_bytes, status.st_size);
  if (::ftruncate(descriptor_, bytes_) != 0) return disk_error("shortening", partial_path(), errno);
  if (::lseek(descriptor_, bytes_, SEEK_SET) < 0) return disk_error("reading", partial_path(), errno);
  set_origin(sidecar->url, sidecar->etag);
  return hash_prefix(hasher_, descriptor_, bytes_, on_rehash);
}

void PartialFile::set_origin(std::string url, std::string etag) {
  url_ = std::move(url);
  etag_ = std::move(etag);
}

Status PartialFile::append(std::span<const std::byte> bytes) {
  if (std::ssize(bytes) > target_.bytes - bytes_) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("{}: more arrives than the {} bytes it has", target_.path, target_.bytes)};
  }
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return disk_error("writing", partial_path(), errno);
    // Only what was written is hashed, so that after an error both still agree.
    hasher_.update(bytes.first(static_cast<std::size_t>(written)));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    bytes_ += written;
  }
  return sync_if_due();
}

Status PartialFile::sync_if_due() {
  if (bytes_ == synced_bytes_) return {};
  const bool due = bytes_ - synced_bytes_ >= kSyncBytes || monotonic_ms() - synced_at_ms_ >= kSyncMs;
  return due ? sync() : Status();
}

Status PartialFile::sync() {
  if (::fdatasync(descriptor_) != 0) return disk_error("syncing", partial_path(), errno);
  synced_bytes_ = bytes_;
  synced_at_ms_ = monotonic_ms();
  return write_sidecar();
}

Status PartialFile::write_sidecar() {
  const OrderedJson root = {{"url", url_},
                            {"etag", etag_},
                            {"hash", to_string(target_.hash)},
                            {"bytes", target_.bytes},
                            {"synced_bytes", synced_bytes_}};
  const std::string text = root.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
  Status status = write_file_atomically(sidecar_path(), text);
  struct statvfs disk {};
  const bool is_full = ::fstatvfs(descriptor_, &disk) == 0 && disk.f_bavail < 16;
  return !status.ok() && is_full ? disk_error("writing", sidecar_path(), ENOSPC) : status;
}

Status PartialFile::restart() {
  bytes_ = synced_bytes_ = 0;
  hasher_ = Hasher(target_.hash.kind, target_.bytes);
  R1_TRY_STATUS(write_sidecar());  // before the bytes go: a promise must never be longer than the file
  if (::ftruncate(descriptor_, 0) != 0) return disk_error("shortening", partial_path(), errno);
  if (::lseek(descriptor_, 0, SEEK_SET) < 0) return disk_error("shortening", partial_path(), errno);
  return {};
}

Status PartialFile::commit() {
  R1_ASSERT(bytes_ <= target_.bytes, "append lets no more in");
  if (bytes_ < target_.bytes) {
    return Error{ErrorCode::kIo, fmt::format("{}: {} of {} bytes arrived", target_.path, bytes_, target_.bytes)};
  }
  const FileHash hash = hasher_.finish();
  if (hash != target_.hash) {
    discard();
    return Error{ErrorCode::kInvalidInput, fmt::format("{}: what arrived has {}, but it must be {}; it was deleted",
                                                       target_.path, to_string(hash), to_string(target_.hash))};
  }
  if (::fsync(descriptor_) != 0) return disk_error("syncing", partial_path(), errno);
  if (::rename(partial_path().c_str(), target_.path.c_str()) != 0) {
    return disk_error("renaming to", target_.path, errno);
  }
  sync_folder_of(target_.path);
  ::unlink(sidecar_path().c_str());
  return {};
}

void PartialFile::discard() {
  ::unlink(partial_path().c_str());
  ::unlink(sidecar_path().c_str());
}

}  // namespace r1
