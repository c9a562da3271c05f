// pull.cpp: lock, plan, check the disk, download, verify, rename the folder into the store.
#include "apps/pull.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/catalogue.h"
#include "apps/manifest.h"
#include "apps/units.h"
#include "apps/zip_member.h"
#include "base/file.h"
#include "base/function_ref.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr std::int64_t kReserveBytes = 1 << 20;  // sidecars, manifest, folders

std::int64_t file_bytes(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : -1;
}

// A pull from one source into one folder.
class Pull {
 public:
  Pull(std::string folder, PullPlan plan, const DownloadOptions& options, PullProgress& progress)
      : folder_(std::move(folder)), plan_(std::move(plan)), options_(options), progress_(progress) {}

  Status run() {
    R1_TRY_STATUS(keep_only_what_fits());
    R1_TRY_STATUS(check_free_disk());
    progress_.begin_pull(wanted_bytes(), bytes_here());
    R1_TRY_STATUS(bring());
    return keep_only_the_model();
  }

 private:
  std::string path_of(const ManifestFile& file) const { return folder_ + "/" + file.path; }

  // A file has its name only if it was verified, and keep_only_what_fits removed those of other plans.
  bool is_finished(const ManifestFile& file) const { return file_bytes(path_of(file)) == file.bytes; }

  std::int64_t wanted_bytes() const {
    std::int64_t bytes = 0;
    for (const PlannedFile& planned : plan_.files) bytes += planned.file.bytes;
    return bytes;
  }

  std::int64_t bytes_here() const {
    std::int64_t bytes = 0;
    for (const PlannedFile& planned : plan_.files) {
      const std::int64_t finished = file_bytes(path_of(planned.file));
      bytes += std::max<std::int64_t>(0, finished >= 0 ? finished : file_bytes(path_of(planned.file) + ".partial"));
    }
    return bytes;
  }

  // The folder may hold what an earlier pull got from another source or of another revision. What the manifest there
  // promises with the same length and hash stays; so do partial files, which know themselves what they are part of:
  // also those of another source, which may be the next to be tried.
  Status keep_only_what_fits() const {
    const Manifest wanted = manifest_of(plan_);
    std::set<std::string> kept = {kManifestName};
    if (const auto earlier = read_manifest(folder_); earlier.ok()) {
      for (const ManifestFile& file : wanted.files) {
        const auto same = std::find(earlier->files.begin(), earlier->files.end(), file);
        if (same != earlier->files.end()) kept.insert(file.path);
      }
    }
    std::error_code failed;
    fs::create_directories(folder_, failed);
    if (failed) return Error{ErrorCode::kIo, fmt::format("making {}: {}", folder_, failed.message())};
    R1_TRY_STATUS(remove_unless([&](const std::string& name) {
      return kept.contains(name) || name.ends_with(".partial") || name.ends_with(".partial.json");
    }));
    return write_manifest(folder_, wanted);
  }

  // Without archives, and what came of other sources before this one had all.
  Status keep_only_the_model() const {
    std::set<std::string> kept = {kManifestName};
    for (const ManifestFile& file : manifest_of(plan_).files) kept.insert(file.path);
    return remove_unless([&](const std::string& name) { return kept.contains(name); });
  }

  Status remove_unless(FunctionRef<bool(const std::string&)> is_kept) const {
    std::vector<fs::path> unwanted;
    std::error_code failed;
    for (fs::directory_iterator at(folder_, failed), end; !failed && at != end; at.increment(failed)) {
      if (!is_kept(at->path().filename().string())) unwanted.push_back(at->path());
    }
    for (const fs::path& path : unwanted) {
      if (!failed) fs::remove_all(path, failed);
    }
    if (failed) return Error{ErrorCode::kIo, fmt::format("cleaning {}: {}", folder_, failed.message())};
    return {};
  }

  Status check_free_disk() const {
    std::int64_t needed = wanted_bytes() - bytes_here() + kReserveBytes;
    if (plan_.unpack) needed += plan_.unpack->file.bytes;
    struct statvfs disk {};
    if (::statvfs(folder_.c_str(), &disk) != 0) return {};  // then the writes will tell
    const auto free = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
    if (needed <= free) return {};
    return Error{ErrorCode::kOutOfResource,
                 fmt::format("{} more are needed in {}, {} are free there; make room, or set R1_HOME to another disk",
                             format_bytes(needed), folder_, format_bytes(free))};
  }

  Status bring() {
    if (plan_.unpack && is_finished(plan_.unpack->file)) return {};
    for (const PlannedFile& planned : plan_.files) {
      R1_TRY_STATUS(get(planned));
      if (planned.file.path == kIndexName) R1_TRY_STATUS(check_index());
    }
    return plan_.unpack ? unpack() : Status();
  }

  Status get(const PlannedFile& planned) {
    const bool was_here = is_finished(planned.file);
    progress_.begin_file(planned.file.path, was_here ? planned.file.bytes : 0);
    if (!was_here) {
      R1_TRY_STATUS(
          download(planned.url, {path_of(planned.file), planned.file.bytes, planned.file.hash}, options_, progress_));
      progress_.at(planned.file.bytes);
    }
    progress_.end_file(was_here ? "" : "verified");
    return {};
  }

  Status check_index() const {
    R1_TRY(const std::string index, read_file(folder_ + "/" + kIndexName, 256 << 20));
    return check_shards_are_listed(index, manifest_of(plan_));
  }

  Status unpack() {
    const std::string archive = path_of(plan_.files.front().file);
    const ManifestFile& file = plan_.unpack->file;
    progress_.begin_pull(file.bytes, 0);
    progress_.begin_file(file.path, 0);
    R1_TRY_STATUS(unpack_zip_member(archive, plan_.unpack->member, {path_of(file), file.bytes, file.hash}, progress_));
    progress_.end_file("unpacked and verified");
    return {};
  }

  const std::string folder_;
  const PullPlan plan_;
  const DownloadOptions& options_;
  PullProgress& progress_;
};

Error unknown_name(const Catalogue& catalogue, const std::string& name) {
  std::vector<std::string> names;
  for (const CatalogueEntry& entry : catalogue) names.push_back(entry.name);
  const std::vector<std::string> near = near_names(name, names);
  return {ErrorCode::kNotFound,
          near.empty() ? fmt::format("no model is called '{}'; r1 knows {}", name, fmt::join(names, ", "))
                       : fmt::format("no model is called '{}'; did you mean {}?", name, fmt::join(near, " or "))};
}

// A model whose files have gone or changed their length since it was pulled goes back to where pulls work.
Status take_back_if_damaged(const Store& store, const std::string& name) {
  const std::string folder = store.model_folder(name), pulling = store.pulling_folder(name);
  if (!is_directory(folder)) return {};
  if (!file_exists(folder + "/" + kManifestName)) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{} wasn't pulled by r1; `r1 rm {}` removes it", folder, name)};
  }
  std::error_code failed;
  fs::remove_all(pulling, failed);
  if (!failed) fs::rename(folder, pulling, failed);
  if (failed) return Error{ErrorCode::kIo, fmt::format("moving {}: {}", folder, failed.message())};
  return {};
}

bool is_here(const Store& store, const std::string& name) {
  const std::string folder = store.model_folder(name);
  const auto manifest = read_manifest(folder);
  return manifest.ok() && is_complete(folder, *manifest);
}

Status pull_from(const Store& store, const std::string& name, const ModelSource& source, const Registries& registries,
                 const DownloadOptions& options, PullProgress& progress) {
  R1_TRY(PullPlan plan, make_plan(source, registries, options, progress));
  const std::string pulling = store.pulling_folder(name);
  R1_TRY_STATUS(Pull(pulling, std::move(plan), options, progress).run());
  std::error_code failed;
  fs::rename(pulling, store.model_folder(name), failed);
  if (failed) return Error{ErrorCode::kIo, fmt::format("moving {}: {}", pulling, failed.message())};
  return {};
}

// All sources in turn. With another one to try, a dead network is not worth waiting for.
Status pull_from_any(const Store& store, const CatalogueEntry& entry, const Registries& registries,
                     const DownloadOptions& options, PullProgress& progress) {
  std::string problems;
  Error last;
  for (std::size_t i = 0; i < entry.sources.size(); ++i) {
    const bool is_last = i + 1 == entry.sources.size();
    DownloadOptions patience = options;
    if (!is_last) patience.retries = std::min(options.retries, 1);
    const Status status = pull_from(store, entry.name, entry.sources[i], registries, patience, progress);
    if (status.ok()) return {};
    last = status.error();
    if (last.code == ErrorCode::kOutOfResource) return last;  // no other source makes the disk larger
    if (!is_last) progress.note(fmt::format("{}; trying {}", last.message, describe(entry.sources[i + 1])));
    problems += (problems.empty() ? "" : "; ") + last.message;
  }
  return Error{last.code, problems};
}

}  // namespace

Result<StoredModel> pull_model(const Store& store, const std::string& name, const Registries& registries,
                               const DownloadOptions& options, PullProgress& progress) {
  if (is_model_name(name) && is_here(store, name)) return store.find(name);
  R1_TRY(const Catalogue catalogue, load_catalogue(store.home()));
  const CatalogueEntry* entry = find_entry(catalogue, name);
  if (entry == nullptr) return unknown_name(catalogue, name);
  R1_TRY(const StoreLock held, store.lock(name));
  if (!is_here(store, name)) {  // the one who held the lock before may have finished it
    R1_TRY_STATUS(take_back_if_damaged(store, name));
    R1_TRY_STATUS(pull_from_any(store, *entry, registries, options, progress));
  }
  return store.find(name);
}

}  // namespace r1
