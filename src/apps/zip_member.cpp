// zip_member.cpp: libzip; this file is the only one that includes its header, besides its test.
#include "apps/zip_member.h"

#include <zip.h>

#include <memory>
#include <vector>

#include <fmt/format.h>

namespace r1 {
namespace {

struct CloseZip {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

Error zip_error(const std::string& archive, std::string_view what) {
  return {ErrorCode::kInvalidInput, fmt::format("{}: {}", archive, what)};
}

}  // namespace

Status unpack_zip_member(const std::string& archive, const std::string& member, PartialFile::Target target,
                         PullProgress& progress) {
  int code = 0;
  const std::unique_ptr<zip_t, CloseZip> zip(zip_open(archive.c_str(), ZIP_RDONLY, &code));
  if (!zip) return zip_error(archive, fmt::format("not a zip archive that can be read (libzip error {})", code));
  zip_stat_t stat{};
  if (zip_stat(zip.get(), member.c_str(), 0, &stat) != 0) return zip_error(archive, "holds no " + member);
  if ((stat.valid & ZIP_STAT_SIZE) != 0 && stat.size != static_cast<zip_uint64_t>(target.bytes)) {
    return zip_error(archive, fmt::format("{} has {} bytes in it, but must have {}", member, stat.size, target.bytes));
  }
  const std::unique_ptr<zip_file_t, CloseZip> file(zip_fopen(zip.get(), member.c_str(), 0));
  if (!file) return zip_error(archive, fmt::format("{}: {}", member, zip_strerror(zip.get())));
  R1_TRY(PartialFile partial, PartialFile::open(std::move(target), [](std::int64_t) {}));
  R1_TRY_STATUS(partial.restart());  // unpacking has no middle to start from
  std::vector<std::byte> chunk(std::size_t{1} << 18);
  while (true) {
    const zip_int64_t n = zip_fread(file.get(), chunk.data(), chunk.size());
    if (n < 0) return zip_error(archive, fmt::format("{}: {}", member, zip_file_strerror(file.get())));
    if (n == 0) return partial.commit();
    R1_TRY_STATUS(partial.append(std::span(chunk).first(static_cast<std::size_t>(n))));
    progress.checking(partial.bytes());
  }
}

}  // namespace r1
