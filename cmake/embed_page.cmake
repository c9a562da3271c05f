# embed_page.cmake: cmake -DSOURCE=. -DOUTPUT=page_files.cpp -P embed_page.cmake
# Writes the chat page's files and the API's document as C++ arrays, with an ETag made of their content. The icon's address
# is the one a browser asks by itself wherever it is, also on an answer in JSON.
set(files "web/index.html|/|text/html" "web/chat.css|/chat.css|text/css" "web/chat.js|/chat.js|text/javascript"
          "web/markdown.js|/markdown.js|text/javascript" "web/icon.svg|/favicon.ico|image/svg+xml"
          "docs/api.md|/docs/api|text/plain")
set(arrays "")
set(table "")
foreach(line IN LISTS files)
  string(REPLACE "|" ";" fields "${line}")
  list(GET fields 0 name)
  list(GET fields 1 path)
  list(GET fields 2 type)
  string(MAKE_C_IDENTIFIER "${name}" identifier)
  file(READ "${SOURCE}/${name}" hex HEX)
  file(SHA256 "${SOURCE}/${name}" hash)
  string(SUBSTRING "${hash}" 0 16 hash)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
  string(REGEX REPLACE "(,'\\\\x0a',)" "\\1\n" bytes "${bytes}")  # a line of the file, a line of the array
  string(APPEND arrays "constexpr char k_${identifier}[] = {\n${bytes}};\n")
  string(APPEND table "    {\"${path}\", \"${type}; charset=utf-8\", {k_${identifier}, sizeof k_${identifier}}, \"\\\"${hash}\\\"\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "// Made by cmake/embed_page.cmake from web/.
#include \"serve/page.h\"

namespace r1 {
namespace {

${arrays}
constexpr PageFile kFiles[] = {
${table}};

}  // namespace

std::span<const PageFile> page_files() { return kFiles; }

}  // namespace r1
")
