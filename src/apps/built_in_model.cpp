// built_in_model.cpp: the file's bytes, put into the program by the assembler.
#include "apps/built_in_model.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "base/file.h"
#include "base/sha256.h"

// R1_NANO_FILE: the path, from src/CMakeLists.txt.
asm(".section .rodata\n"
    ".balign 64\n"
    ".global r1_nano_begin, r1_nano_end\n"
    "r1_nano_begin:\n"
    ".incbin \"" R1_NANO_FILE
    "\"\n"
    "r1_nano_end:\n"
    ".previous\n");
extern "C" const char r1_nano_begin[], r1_nano_end[];

namespace r1 {

Result<std::string> built_in_model_path(const std::string& store_home) {
  const std::string_view bytes(r1_nano_begin, static_cast<std::size_t>(r1_nano_end - r1_nano_begin));
  // Named by its contents: another version of the program brings another file.
  const std::string folder = store_home + "/built-in";
  const std::string path = fmt::format("{}/{}-{}.gguf", folder, kBuiltInModel, sha256_hex(bytes).substr(0, 12));
  if (file_exists(path)) return path;
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) return Error{ErrorCode::kIo, fmt::format("creating {}: {}", folder, problem.message())};
  R1_TRY_STATUS(write_file_atomically(path, bytes));
  return path;
}

}  // namespace r1
