// page.h: the files of the chat page, web/, and the API's document, built into the program by cmake/embed_page.cmake.
#pragma once

#include <span>
#include <string_view>

namespace r1 {

struct PageFile {
  std::string_view path;  // "/chat.js"; the page itself is "/"
  std::string_view content_type;
  std::string_view content;
  std::string_view etag;  // changes with the content
};

std::span<const PageFile> page_files();

}  // namespace r1
