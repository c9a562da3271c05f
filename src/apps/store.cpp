// store.cpp: folders, locks and names of the local store; files are opened elsewhere.
#include "apps/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/built_in_model.h"
#include "apps/catalogue.h"
#include "apps/manifest.h"
#include "base/file.h"
#include "formats/gguf.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::int64_t folder_bytes(const std::string& folder) {
  std::int64_t bytes = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code unreadable;
    if (!at->is_regular_file(unreadable)) continue;
    const std::uintmax_t size = at->file_size(unreadable);
    if (!unreadable) bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

std::int64_t modified_unix_s(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mtime : 0;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::string name = at->path().filename().string();
    if (is_model_name(name) && is_directory(at->path().string())) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The GGUF file to open in a folder: the only one, or the first of several shards; none when that is not clear.
std::optional<std::string> gguf_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::string name = at->path().filename().string();
    if (name.ends_with(".gguf") && gguf_shard(name) == 1) files.push_back(std::move(name));
  }
  if (files.size() != 1) return std::nullopt;
  return folder + "/" + files[0];
}

StoredModel folder_as_model(const std::string& name, const char* kind, const std::string& folder) {
  StoredModel model;
  model.name = name;
  model.kind = kind;
  model.path = folder;
  model.bytes = folder_bytes(folder);
  model.modified_unix_s = modified_unix_s(folder);
  return model;
}

StoredModel describe_folder(const std::string& name, const std::string& folder) {
  StoredModel model = folder_as_model(name, "unknown", folder);
  if (auto gguf = gguf_in(folder)) {
    model.kind = "gguf";
    model.path = *std::move(gguf);
  } else if (file_exists(folder + "/config.json")) {
    model.kind = "safetensors";
  }
  if (const auto manifest = read_manifest(folder); manifest.ok()) model.origin = manifest->origin;
  return model;
}

StoredModel describe_unfinished(const std::string& name, const std::string& folder) {
  StoredModel model = folder_as_model(name, "unfinished", folder);
  if (const auto manifest = read_manifest(folder); manifest.ok()) {
    model.origin = manifest->origin;
    model.total_bytes = total_bytes(*manifest);
  }
  return model;
}

Status check_name(const std::string& name) {
  if (is_model_name(name)) return {};
  return Error{ErrorCode::kInvalidInput,
               fmt::format("'{}' can't be the name of a model: letters, digits and . _ : - only", name)};
}

// Insertions, deletions and substitutions that turn one text into the other.
int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

Error not_in_store(const Store& store, const std::string& name) {
  const auto catalogue = load_catalogue(store.home());
  if (!catalogue.ok()) return catalogue.error();
  if (find_entry(*catalogue, name) != nullptr) {
    const bool begun = is_directory(store.pulling_folder(name));
    return {ErrorCode::kNotFound,
            fmt::format("{} is {}: run `r1 pull {}`", name, begun ? "only partly here" : "not in the store yet", name)};
  }
  std::vector<std::string> names;
  for (const StoredModel& model : store.list()) names.push_back(model.name);
  for (const CatalogueEntry& entry : *catalogue) {
    if (std::find(names.begin(), names.end(), entry.name) == names.end()) names.push_back(entry.name);
  }
  const std::vector<std::string> near = near_names(name, names);
  const std::string hint = near.empty() ? fmt::format("known names: {}", fmt::join(names, ", "))
                                        : fmt::format("did you mean {}?", fmt::join(near, " or "));
  return {ErrorCode::kNotFound, fmt::format("'{}' is neither a file nor a model in the store; {}", name, hint)};
}

}  // namespace

StoreLock::~StoreLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<Store> Store::of_environment() {
  if (std::string home = from_environment("R1_HOME"); !home.empty()) return Store(std::move(home));
  if (const std::string data = from_environment("XDG_DATA_HOME"); !data.empty()) return Store(data + "/r1");
  if (const std::string home = from_environment("HOME"); !home.empty()) return Store(home + "/.local/share/r1");
  return Error{ErrorCode::kNotFound, "the model store has no place: set R1_HOME or HOME"};
}

std::string Store::model_folder(std::string_view name) const { return fmt::format("{}/models/{}", home_, name); }

std::string Store::pulling_folder(std::string_view name) const {
  return fmt::format("{}/models/.pulling/{}", home_, name);
}

std::vector<StoredModel> Store::list() const {
  std::vector<StoredModel> models;
  for (const std::string& name : names_in(home_ + "/models")) {
    models.push_back(describe_folder(name, model_folder(name)));
  }
  for (const std::string& name : names_in(home_ + "/models/.pulling")) {
    models.push_back(describe_unfinished(name, pulling_folder(name)));
  }
  std::stable_sort(models.begin(), models.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return models;
}

Result<StoredModel> Store::find(const std::string& name) const {
  R1_TRY_STATUS(check_name(name));
  const std::string folder = model_folder(name);
  if (!is_directory(folder)) return Error{ErrorCode::kNotFound, fmt::format("no model '{}' in {}", name, home_)};
  StoredModel model = describe_folder(name, folder);
  if (model.kind == "unknown") {
    return Error{ErrorCode::kInvalidInput, fmt::format("{}: holds neither one GGUF file nor a config.json", folder)};
  }
  return model;
}

Result<StoreLock> Store::lock(const std::string& name) const {
  R1_TRY_STATUS(check_name(name));
  const std::string folder = home_ + "/models/.pulling";
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) return Error{ErrorCode::kIo, fmt::format("making {}: {}", folder, failed.message())};
  // The file stays behind: removing it would let two processes lock two files of the same name.
  const std::string path = fmt::format("{}/.{}.lock", folder, name);  // the dot: no model can have that name
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return Error{ErrorCode::kIo, fmt::format("opening {}: {}", path, std::strerror(errno))};
  StoreLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return Error{ErrorCode::kIo, fmt::format("locking {}: {}", path, std::strerror(errno))};
  return Error{ErrorCode::kOutOfResource, fmt::format("another r1 is pulling or removing {} right now", name)};
}

Result<std::int64_t> Store::remove(const std::string& name) const {
  R1_TRY_STATUS(check_name(name));
  const std::string folder = model_folder(name), pulling = pulling_folder(name);
  if (!is_directory(folder) && !is_directory(pulling)) {
    return Error{ErrorCode::kNotFound, fmt::format("no model '{}' in {}", name, home_)};
  }
  R1_TRY(const StoreLock held, lock(name));
  std::int64_t bytes = 0;
  // Out of sight first, so that a removal that is interrupted leaves no half model behind.
  const std::string doomed = fmt::format("{}/models/.pulling/.{}.removed", home_, name);
  std::error_code failed;
  fs::remove_all(doomed, failed);
  for (const std::string& target : {pulling, folder}) {
    if (!is_directory(target)) continue;
    bytes += folder_bytes(target);
    failed.clear();
    fs::rename(target, doomed, failed);
    if (!failed) fs::remove_all(doomed, failed);
    if (failed) return Error{ErrorCode::kIo, fmt::format("removing {}: {}", target, failed.message())};
  }
  return bytes;
}

std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& names) {
  std::vector<std::string> near;
  for (const std::string& candidate : names) {
    if (!name.empty() && candidate.starts_with(name)) near.push_back(candidate);
  }
  if (!near.empty()) return near;
  std::vector<std::pair<int, std::string>> ranked;
  for (const std::string& candidate : names) {
    const int distance = edit_distance(name, candidate);
    if (distance <= 1 + static_cast<int>(name.size()) / 4) ranked.emplace_back(distance, candidate);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < std::min<std::size_t>(3, ranked.size()); ++i) near.push_back(ranked[i].second);
  return near;
}

Result<std::string> resolve_model(const Store& store, const std::string& path_or_name) {
  if (file_exists(path_or_name)) return path_or_name;
  if (!is_model_name(path_or_name) || path_or_name.ends_with(".gguf")) {
    return Error{ErrorCode::kNotFound, fmt::format("{}: no such file or folder", path_or_name)};
  }
  if (!is_directory(store.model_folder(path_or_name))) {
    if (path_or_name == kBuiltInModel) return built_in_model_path(store.home());
    return not_in_store(store, path_or_name);
  }
  R1_TRY(const StoredModel model, store.find(path_or_name));
  return model.path;
}

Result<std::string> resolve_model(const std::string& path_or_name) {
  if (file_exists(path_or_name)) return path_or_name;  // a path needs no store, nor a HOME
  R1_TRY(const Store store, Store::of_environment());
  return resolve_model(store, path_or_name);
}

}  // namespace r1
