// openapi.h: the OpenAPI 3.1 document of the API, made from what the server itself uses: its table of routes and the
// tables of parameters that requests are checked against.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace r1 {

struct ApiPath {
  std::string_view method;  // "POST"
  std::string_view path;    // "/v1/models"; ending in '/', but for the root: a name follows
};

// One operation for each path. A path that openapi.cpp has no words for comes out with an empty summary, which a test
// finds.
std::string openapi_document(std::span<const ApiPath> paths);

}  // namespace r1
