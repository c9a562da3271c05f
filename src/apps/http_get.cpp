// http_get.cpp: libcurl, one easy handle a hop; this file is the only one that includes its headers.
#include "apps/http_get.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/clock.h"

namespace r1 {
namespace {

constexpr int kMaxRedirects = 10;
constexpr long kConnectTimeoutS = 15, kStallBytesPerS = 1024, kReceiveBufferBytes = 256 << 10;
constexpr std::int64_t kMaxHeaderBytes = 256 << 10;

struct FreeHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(char* text) const { curl_free(text); }
};
using Easy = std::unique_ptr<CURL, FreeHandle>;
using Url = std::unique_ptr<CURLU, FreeHandle>;
using HeaderList = std::unique_ptr<curl_slist, FreeHandle>;

Url parse_url(const std::string& text) {
  Url url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
  return url;
}

std::string part_of(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) return "";
  return std::unique_ptr<char, FreeHandle>(text).get();
}

bool names_this_machine(std::string_view host) {
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

bool is_redirect(const HttpHead& head) {
  const std::array codes = {301, 302, 303, 307, 308};
  return !head.location.empty() && std::find(codes.begin(), codes.end(), head.status) != codes.end();
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

template <typename Integer>
Integer integer_or(std::string_view text, Integer fallback) {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 ? value : fallback;
}

void read_header(std::string_view line, HttpHead& head) {
  if (line.starts_with("HTTP/")) {  // a new response: after "100 Continue", or after a proxy's
    const std::size_t space = line.find(' ');
    head = HttpHead{};
    if (space != line.npos) head.status = integer_or(line.substr(space + 1, 3), 0);
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return;
  std::string name(line.substr(0, colon));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (name == "content-length") head.content_length = integer_or<std::int64_t>(value, -1);
  if (name == "content-range") head.content_range = value;
  if (name == "etag") head.etag = value;
  if (name == "location") head.location = value;
  if (name == "retry-after") head.retry_after_s = integer_or(value, -1);
}

Error stalled(const HttpGetRequest& request) {
  return {ErrorCode::kIo, fmt::format("{}: the connection stalled: nothing, or less than 1 kB/s, for {} s",
                                      shown_url(request.url), request.stall_timeout_s)};
}

// What libcurl's callbacks share during one hop.
struct Hop {
  const HttpGetRequest& request;
  HttpSink& sink;
  HttpHead head;
  std::int64_t header_bytes = 0;
  bool head_given = false;
  std::optional<Error> refused;  // why we ended the transfer
  std::int64_t received_bytes = 0, received_at_ms = monotonic_ms();

  // False: the body isn't wanted.
  bool give_head() {
    if (is_redirect(head)) return false;
    if (head_given) return true;
    head_given = true;
    if (Status status = sink.on_head(head); !status.ok()) refused = status.error();
    return !refused;
  }
};

std::size_t on_header(char* text, std::size_t, std::size_t n, void* user) {
  Hop& hop = *static_cast<Hop*>(user);
  hop.header_bytes += static_cast<std::int64_t>(n);
  if (hop.header_bytes > kMaxHeaderBytes) {
    hop.refused = Error{ErrorCode::kInvalidInput, "the server sends headers without end"};
    return 0;
  }
  read_header(std::string_view(text, n), hop.head);
  return n;
}

std::size_t on_body(char* bytes, std::size_t, std::size_t n, void* user) {
  Hop& hop = *static_cast<Hop*>(user);
  if (!hop.give_head()) return 0;
  if (Status status = hop.sink.on_body(std::as_bytes(std::span(bytes, n))); !status.ok()) {
    hop.refused = status.error();
    return 0;
  }
  return n;
}

// libcurl's own limit looks at an average over some seconds; this one sees a standstill at once.
int on_tick(void* user, curl_off_t, curl_off_t received_bytes, curl_off_t, curl_off_t) {
  Hop& hop = *static_cast<Hop*>(user);
  hop.sink.on_tick();
  if (received_bytes != hop.received_bytes) {
    hop.received_bytes = received_bytes;
    hop.received_at_ms = monotonic_ms();
  }
  if (monotonic_ms() - hop.received_at_ms < std::int64_t{1000} * hop.request.stall_timeout_s) return 0;
  hop.refused = stalled(hop.request);
  return 1;
}

Error network_error(CURLcode code, const char* detail, const HttpGetRequest& request, const std::string& url) {
  const std::string what = *detail != '\0' ? detail : curl_easy_strerror(code);
  if (code == CURLE_OPERATION_TIMEDOUT && what.starts_with("Operation too slow")) return stalled(request);
  const bool may_pass = code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CACERT_BADFILE &&
                        code != CURLE_URL_MALFORMAT && code != CURLE_UNSUPPORTED_PROTOCOL;
  return {may_pass ? ErrorCode::kIo : ErrorCode::kInvalidInput, fmt::format("{}: {}", shown_url(url), what)};
}

template <typename Value>
void set(CURL* handle, CURLoption option, Value value) {
  R1_ASSERT(curl_easy_setopt(handle, option, value) == CURLE_OK, "libcurl refuses an option");
}

void set_rules(CURL* handle, const HttpGetRequest& request) {
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);  // by hand, in http_get
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_CONNECTTIMEOUT, kConnectTimeoutS);
  set(handle, CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerS);
  set(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_timeout_s));
  set(handle, CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
  set(handle, CURLOPT_USERAGENT, "r1/" R1_VERSION);
  // As the curl program does; the library alone knows only Debian's place.
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (const char* file = std::getenv(name); file != nullptr && *file != '\0') {
      set(handle, CURLOPT_CAINFO, file);
      break;
    }
  }
}

void set_callbacks(CURL* handle, Hop& hop) {
  set(handle, CURLOPT_HEADERFUNCTION, &on_header);
  set(handle, CURLOPT_HEADERDATA, &hop);
  set(handle, CURLOPT_WRITEFUNCTION, &on_body);
  set(handle, CURLOPT_WRITEDATA, &hop);
  set(handle, CURLOPT_XFERINFOFUNCTION, &on_tick);
  set(handle, CURLOPT_XFERINFODATA, &hop);
  set(handle, CURLOPT_NOPROGRESS, 0L);
}

// One request and its response. Returns the place of a redirect, or an empty string when the sink has got everything.
Result<std::string> one_hop(const HttpGetRequest& request, const std::string& url, HttpSink& sink) {
  const Easy handle(curl_easy_init());
  R1_ASSERT(handle != nullptr, "libcurl gives no handle");
  HeaderList headers;
  for (const std::string& header : request.headers) {
    headers.reset(curl_slist_append(headers.release(), header.c_str()));
  }
  Hop hop{.request = request, .sink = sink, .head = {}, .refused = {}};
  char detail[CURL_ERROR_SIZE] = "";
  set_rules(handle.get(), request);
  set_callbacks(handle.get(), hop);
  set(handle.get(), CURLOPT_URL, url.c_str());
  set(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  set(handle.get(), CURLOPT_ERRORBUFFER, detail);
  const CURLcode code = curl_easy_perform(handle.get());
  if (hop.refused) return *hop.refused;
  if (is_redirect(hop.head)) return resolve_url(url, hop.head.location);
  if (code != CURLE_OK) return network_error(code, detail, request, url);
  if (!hop.give_head()) return *hop.refused;  // a response without a body
  return std::string();
}

}  // namespace

Status http_get(const HttpGetRequest& request, HttpSink& sink) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) return Error{ErrorCode::kInternal, "libcurl can't be started"};
  std::string url = request.url;
  for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
    R1_TRY(std::string next, one_hop(request, url, sink));
    if (next.empty()) return {};
    R1_TRY_STATUS(check_redirect(url, next));
    url = std::move(next);
  }
  return Error{ErrorCode::kInvalidInput,
               fmt::format("{}: more than {} redirects", shown_url(request.url), kMaxRedirects)};
}

Status check_redirect(const std::string& from, const std::string& to) {
  const Url source = parse_url(from), target = parse_url(to);
  const std::string scheme = target ? part_of(target, CURLUPART_SCHEME) : "";
  const auto refuse = [&](std::string_view why) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("{} redirects to {}, {}: refused", shown_url(from), shown_url(to), why)};
  };
  if (!source || (scheme != "http" && scheme != "https")) return refuse("which is neither http nor https");
  const bool loses_tls = scheme == "http" && part_of(source, CURLUPART_SCHEME) == "https";
  if (loses_tls && !names_this_machine(part_of(target, CURLUPART_HOST))) return refuse("without TLS");
  return {};
}

Result<std::string> resolve_url(const std::string& base, const std::string& reference) {
  const Url url = parse_url(base);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, reference.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{}: '{}' is no address", shown_url(base), reference)};
  }
  return part_of(url, CURLUPART_URL);
}

std::string percent_encode_path(std::string_view path) {
  std::string encoded;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        byte < 128 && (std::isalnum(byte) != 0 || std::string_view("-._~/").find(c) != std::string_view::npos);
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

std::string shown_url(const std::string& url) {
  std::string shown = url.substr(0, url.find_first_of("?#"));
  const std::size_t authority = shown.find("://");
  if (authority == shown.npos) return shown;
  const std::size_t begin = authority + 3, end = std::min(shown.find('/', begin), shown.size());
  const std::size_t at = shown.rfind('@', end);
  if (at != shown.npos && at >= begin) shown.erase(begin, at + 1 - begin);
  return shown;
}

}  // namespace r1
