// prefix_store.cpp: an index in memory, a file a block, one thread that writes.
#include "engine/prefix_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "r1 prefix block 1";
constexpr std::string_view kExtension = ".kv";
constexpr std::string_view kPartial = ".kv.partial";
constexpr std::size_t kNameDigits = 64;
constexpr std::size_t kFirstLineBytes = kMagic.size() + 2 * (1 + kNameDigits) + 1;
constexpr std::int64_t kQueueBytes = std::int64_t{64} << 20;  // copies of blocks that wait for the disk

bool is_name(std::string_view text) {
  return text.size() == kNameDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool read_exactly(int descriptor, std::byte* to, std::size_t n_bytes) {
  while (n_bytes > 0) {
    const ssize_t n = ::read(descriptor, to, n_bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    n_bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

bool write_all(int descriptor, const void* from, std::size_t n_bytes) {
  const auto* next = static_cast<const std::byte*>(from);
  while (n_bytes > 0) {
    const ssize_t n = ::write(descriptor, next, n_bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    next += n;
    n_bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

Error folder_error(const std::string& folder, const std::string& why) {
  return {ErrorCode::kIo, fmt::format("prefix cache {}: {}", folder, why)};
}

}  // namespace

Result<std::unique_ptr<PrefixStore>> PrefixStore::open(PrefixStoreOptions options) {
  R1_ASSERT(options.block_bytes > 0, "a block holds something");
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error || !is_directory(options.folder))
    return folder_error(options.folder, error ? error.message() : "not a folder");
  if (::access(options.folder.c_str(), R_OK | W_OK | X_OK) != 0)
    return folder_error(options.folder, std::strerror(errno));
  const auto queue_blocks = static_cast<std::size_t>(std::max<std::int64_t>(4, kQueueBytes / options.block_bytes));
  std::unique_ptr<PrefixStore> store(new PrefixStore(std::move(options), queue_blocks));
  if (store->options_.max_bytes < store->file_bytes()) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("prefix cache {}: {} bytes are allowed, a block of this model takes {}",
                             store->options_.folder, store->options_.max_bytes, store->file_bytes())};
  }
  R1_TRY_STATUS(store->find_files());
  store->writer_ = std::thread([self = store.get()] { self->write_jobs(); });
  return store;
}

PrefixStore::PrefixStore(PrefixStoreOptions options, std::size_t queue_blocks)
    : options_(std::move(options)), queue_blocks_(queue_blocks), jobs_(queue_blocks) {}

PrefixStore::~PrefixStore() {
  jobs_.close();
  if (writer_.joinable()) writer_.join();
}

// Oldest first; what is none of ours, but called as if it were, is deleted. Other files are not touched.
Status PrefixStore::find_files() {
  std::vector<std::pair<fs::file_time_type, PrefixName>> found;
  std::error_code error;
  for (fs::directory_iterator entry(options_.folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    const std::string_view extension = std::string_view(file).substr(std::min(kNameDigits, file.size()));
    if (!is_name(file.substr(0, kNameDigits)) || (extension != kExtension && extension != kPartial)) continue;
    std::error_code gone;
    const fs::file_time_type time = fs::last_write_time(entry->path(), gone);
    if (extension == kPartial || gone || !is_ours(entry->path().string()))
      fs::remove(entry->path(), gone);
    else
      found.emplace_back(time, file.substr(0, kNameDigits));
  }
  if (error) return folder_error(options_.folder, error.message());
  std::sort(found.begin(), found.end());
  for (const auto& [time, name] : found) by_name_[name] = by_age_.insert(by_age_.end(), name);
  for (const PrefixName& name : make_room()) fs::remove(path_of(name), error);
  return {};
}

// Of this model, layout and size, as far as the first line tells; the content is checked when it is read.
bool PrefixStore::is_ours(const std::string& path) const {
  std::error_code error;
  if (static_cast<std::int64_t>(fs::file_size(path, error)) != file_bytes() || error) return false;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  std::string line(kFirstLineBytes, '\0');
  const bool whole = read_exactly(descriptor, reinterpret_cast<std::byte*>(line.data()), line.size());
  ::close(descriptor);
  return whole && line.starts_with(fmt::format("{} {} ", kMagic, options_.fingerprint));
}

std::int64_t PrefixStore::file_bytes() const { return std::int64_t{kFirstLineBytes} + options_.block_bytes; }

std::string PrefixStore::path_of(const PrefixName& name) const {
  return fmt::format("{}/{}{}", options_.folder, name, kExtension);
}

std::string PrefixStore::first_line(const PrefixName& name, std::span<const std::byte> block) const {
  Hasher hasher(HashKind::kSha256, 0);
  hasher.update(std::as_bytes(std::span(name)));
  hasher.update(block);
  return fmt::format("{} {} {}\n", kMagic, options_.fingerprint, hasher.finish().hex);
}

bool PrefixStore::read(const PrefixName& name, std::span<std::byte> block) {
  R1_ASSERT(std::ssize(block) == options_.block_bytes, "room for one block");
  const auto known = by_name_.find(name);
  if (known == by_name_.end()) return false;
  const std::string path = path_of(name);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    forget(name);  // deleted by somebody, never written, or not yet; computed again, it is written again
    return false;
  }
  std::string line(kFirstLineBytes, '\0');
  const bool right = read_exactly(descriptor, reinterpret_cast<std::byte*>(line.data()), line.size()) &&
                     read_exactly(descriptor, block.data(), block.size()) && line == first_line(name, block);
  if (right) ::futimens(descriptor, nullptr);  // used now
  ::close(descriptor);
  if (right) {
    by_age_.splice(by_age_.end(), by_age_, known->second);
    return true;
  }
  ::unlink(path.c_str());
  forget(name);
  return false;
}

void PrefixStore::write(const PrefixName& name, std::vector<std::byte> block) {
  R1_ASSERT(std::ssize(block) == options_.block_bytes, "one block");
  if (const auto known = by_name_.find(name); known != by_name_.end()) {
    by_age_.splice(by_age_.end(), by_age_, known->second);
    return;
  }
  by_name_[name] = by_age_.insert(by_age_.end(), name);
  jobs_.push({name, std::move(block), make_room()});
}

// What is left out to stay within max_bytes: no longer in the index, its file still there.
std::vector<PrefixName> PrefixStore::make_room() {
  std::vector<PrefixName> given_up;
  while (bytes() > options_.max_bytes) {
    given_up.push_back(by_age_.front());
    forget(given_up.back());
  }
  return given_up;
}

void PrefixStore::forget(const PrefixName& name) {
  const auto known = by_name_.find(name);
  by_age_.erase(known->second);
  by_name_.erase(known);
}

void PrefixStore::write_jobs() {
  bool warned = false;
  while (const auto job = jobs_.pop()) {
    for (const PrefixName& name : job->given_up) ::unlink(path_of(name).c_str());
    if (write_file(*job) || warned) continue;
    log_warning(fmt::format("prefix cache {}: blocks can't be written: {}", options_.folder, std::strerror(errno)));
    warned = true;
  }
}

bool PrefixStore::write_file(const Job& job) const {
  const std::string path = path_of(job.name), partial = path + ".partial";
  const int descriptor = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return false;
  const std::string line = first_line(job.name, job.block);
  const bool written =
      write_all(descriptor, line.data(), line.size()) && write_all(descriptor, job.block.data(), job.block.size());
  const int why = errno;
  ::close(descriptor);
  if (written && ::rename(partial.c_str(), path.c_str()) == 0) return true;
  const int reason = written ? errno : why;
  ::unlink(partial.c_str());
  errno = reason;
  return false;
}

}  // namespace r1
