// zip_member.h: one file out of a zip archive, streamed. libzip is behind this door.
#pragma once

#include <string>

#include "apps/partial_file.h"
#include "apps/progress.h"
#include "base/result.h"

namespace r1 {

// Unpacks `member` and gives it target.path once its length and hash are right. Nothing is written when the archive
// announces another length; a member that unpacks to more ends with an Error at target.bytes.
Status unpack_zip_member(const std::string& archive, const std::string& member, PartialFile::Target target,
                         PullProgress& progress);

}  // namespace r1
