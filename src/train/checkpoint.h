// checkpoint.h: a training run on disk: everything by which it goes on as if it had never stopped.
//
// Layout: 8 bytes "r1train1", the length of a JSON header (8 bytes, little endian), the header, then arrays of f32 in
// the header's order, then SHA-256 of all before. Written beside and renamed: a killed process or a full disk leaves
// the checkpoint that was there.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace r1 {

struct Checkpoint {
  std::string state;  // JSON: counters, names, configuration: whatever the run says of itself
  std::map<std::string, std::vector<float>> arrays;  // "values", "m", "v", "reference"
};

Status save_checkpoint(const Checkpoint& checkpoint, const std::string& path);
// An Error for a file that is not one, is cut short, or whose hash differs.
Result<Checkpoint> load_checkpoint(const std::string& path);

}  // namespace r1
