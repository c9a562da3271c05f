// download.h: one file from one address to disk, whatever the network does; and small texts into memory.
//
// A file is continued where it stopped, also in a later run; servers that ignore Range, change the file, send too much,
// too little or garbage end in a restart or an error, never in a file with a wrong content. Attempts are bounded: each
// must bring something new, or it counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/partial_file.h"
#include "apps/progress.h"
#include "base/result.h"

namespace r1 {

struct DownloadOptions {
  int retries = 5;           // attempts that may fail in a row, after the first
  int retry_wait_ms = 1000;  // before the first retry; doubles each time, up to 30 s
  int stall_timeout_s = 30;
};

// Afterwards target.path exists with the wanted length and hash, or an Error says why not.
Status download(const std::string& url, PartialFile::Target target, const DownloadOptions& options,
                PullProgress& progress);

Result<std::string> fetch_text(const std::string& url, std::vector<std::string> headers, const DownloadOptions& options,
                               PullProgress& progress);

// "bytes 10-99/100"; total -1 for "*".
struct ContentRange {
  std::int64_t first = 0, last = 0, total = -1;
};
Result<ContentRange> parse_content_range(const std::string& text);

}  // namespace r1
