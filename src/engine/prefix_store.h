// prefix_store.h: blocks of the prefix cache on disk: what was computed once is found again after it left memory, and
// after a restart.
//
// 1. A file a block, called by the block's name (engine/prefix_name.h). What is read is used only if the hash in its
//    first line is that of the name and the bytes that follow; anything else is deleted and counts as not there.
// 2. Files are written by a thread of the store, beside their name, and renamed: a crash leaves a whole file, or one
// that
//    rule 1 rejects. They are not synced: losing one costs computing it again.
// 3. Least recently used files go when all together take more than max_bytes. The order is kept in the files' times.
// 4. A disk that is full or fails costs what was not written, nothing else.
// One process a folder; all but the writing happens on the caller's thread, the engine's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/bounded_queue.h"
#include "base/result.h"
#include "engine/prefix_name.h"

namespace r1 {

struct PrefixStoreOptions {
  std::string folder;          // made if it is not there
  std::int64_t max_bytes = 0;  // of all files together
  std::int64_t block_bytes = 0;
  std::string fingerprint;  // cache_fingerprint: files made with another are deleted
};

class PrefixStore {
 public:
  // An Error when the folder can't be made, read or written, or when not even one block fits in max_bytes.
  static Result<std::unique_ptr<PrefixStore>> open(PrefixStoreOptions options);
  ~PrefixStore();  // returns when all that was given to write() is on its way to the disk

  bool has(const PrefixName& name) const { return by_name_.contains(name); }
  bool read(const PrefixName& name, std::span<std::byte> block);  // [block_bytes]; false: not there, or not whole

  bool can_write() const { return jobs_.size() < queue_blocks_; }
  void write(const PrefixName& name, std::vector<std::byte> block);  // [block_bytes]; may wait unless can_write()

  std::int64_t bytes() const { return std::ssize(by_age_) * file_bytes(); }

 private:
  struct Job {
    PrefixName name;
    std::vector<std::byte> block;
    std::vector<PrefixName> given_up;  // deleted before the block is written
  };

  PrefixStore(PrefixStoreOptions options, std::size_t queue_blocks);
  Status find_files();
  bool is_ours(const std::string& path) const;
  std::int64_t file_bytes() const;
  std::string path_of(const PrefixName& name) const;
  std::string first_line(const PrefixName& name, std::span<const std::byte> block) const;
  std::vector<PrefixName> make_room();
  void forget(const PrefixName& name);
  void write_jobs();
  bool write_file(const Job& job) const;

  const PrefixStoreOptions options_;
  const std::size_t queue_blocks_;
  std::list<PrefixName> by_age_;  // least recently used first
  std::unordered_map<PrefixName, std::list<PrefixName>::iterator> by_name_;
  BoundedQueue<Job> jobs_;
  std::thread writer_;  // last: it uses the rest
};

}  // namespace r1
