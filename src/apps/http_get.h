// http_get.h: one HTTP GET, redirects followed by our rules. libcurl is behind this door.
//
// In errors from here and from sinks, ErrorCode::kIo means that trying again may help; with any other code it won't.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace r1 {

struct HttpHead {
  int status = 0;
  std::int64_t content_length = -1;  // -1: not said
  std::string etag, content_range, location;
  int retry_after_s = -1;  // -1: not said, or said as a date
};

// Receives a response. An Error from a member ends the transfer and comes back from http_get unchanged.
class HttpSink {
 public:
  virtual ~HttpSink() = default;
  virtual Status on_head(const HttpHead& head) = 0;  // once, of the response that is no redirect, whatever its status
  virtual Status on_body(std::span<const std::byte> bytes) = 0;
  virtual void on_tick() {}  // about once a second, also while nothing arrives
};

struct HttpGetRequest {
  std::string url;
  std::vector<std::string> headers;  // "Range: bytes=10-"; sent at every hop
  int stall_timeout_s = 30;          // less than 1 kB/s for so long is a stalled connection
};

Status http_get(const HttpGetRequest& request, HttpSink& sink);

// http may become https, never the other way, except to this machine: what was asked for over TLS must not arrive
// without it. Other schemes (file:, ftp:) never.
Status check_redirect(const std::string& from, const std::string& to);

Result<std::string> resolve_url(const std::string& base, const std::string& reference);  // RFC 3986, section 5
std::string percent_encode_path(std::string_view path);                                  // keeps the slashes
std::string shown_url(const std::string& url);  // for messages: without password, query (signatures) and fragment

}  // namespace r1
