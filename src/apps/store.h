// store.h: the models on this machine: $R1_HOME/models/NAME/, by default below ~/.local/share/r1.
//
//  1. What is in models/NAME is complete and verified: a pull works in models/.pulling/NAME, on the same disk, and the
//     finished folder is renamed into place.
//  2. One process at a time changes a model: pull and rm hold its lock, which ends with the process however it ends.
//  3. A name is one path component (catalogue.h: is_model_name), so nothing outside the store can be named.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace r1 {

struct StoredModel {
  std::string name;
  std::string kind;    // "gguf", "safetensors", or "unfinished" for a pull that was interrupted
  std::string path;    // what to open: the GGUF file (of shards the first), or the folder
  std::string origin;  // where it was pulled from; empty when somebody put it there
  std::int64_t bytes = 0;
  std::int64_t total_bytes = 0;      // of an unfinished pull: what it will have
  std::int64_t modified_unix_s = 0;  // when the folder got its last file
};

// Held by whoever changes a model; ends with the object or the process.
class StoreLock {
 public:
  explicit StoreLock(int descriptor) : descriptor_(descriptor) {}
  StoreLock(StoreLock&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  StoreLock& operator=(StoreLock&&) = delete;
  ~StoreLock();

 private:
  int descriptor_;
};

class Store {
 public:
  // From R1_HOME, else XDG_DATA_HOME, else HOME.
  static Result<Store> of_environment();
  explicit Store(std::string home) : home_(std::move(home)) {}

  const std::string& home() const { return home_; }
  std::string model_folder(std::string_view name) const;
  std::string pulling_folder(std::string_view name) const;  // where a pull of it works

  std::vector<StoredModel> list() const;                       // sorted by name, unfinished ones too
  Result<StoredModel> find(const std::string& name) const;     // a finished one; kNotFound
  Result<StoreLock> lock(const std::string& name) const;       // makes the folders; an Error when another holds it
  Result<std::int64_t> remove(const std::string& name) const;  // returns the bytes that were freed

 private:
  std::string home_;
};

// A path if there is one, else the name of a model in the store. Errors say what to pull, or which names are near.
Result<std::string> resolve_model(const std::string& path_or_name);
Result<std::string> resolve_model(const Store& store, const std::string& path_or_name);

// Those of `names` that continue `name`; when none does, those that differ by few letters, nearest first, at most
// three.
std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& names);

}  // namespace r1
