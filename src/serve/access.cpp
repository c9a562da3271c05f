// access.cpp: Host and Origin, and the operator's token.
#include "serve/access.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/sha256.h"

namespace r1 {
namespace {

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const std::string_view address = host.substr(0, host.find(']') + 1), rest = host.substr(address.size());
    return rest.empty() || rest.starts_with(':') ? address : host;
  }
  return host.substr(0, host.find(':'));
}

bool is_ipv4(std::string_view host) {
  const auto is_part = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
  return !host.empty() && std::all_of(host.begin(), host.end(), is_part);
}

bool is_local_name(std::string_view host) {
  constexpr std::string_view kLocal = "localhost";
  if (host.size() > kLocal.size() && host[host.size() - kLocal.size() - 1] != '.') return false;
  return host.size() >= kLocal.size() && equal_ignoring_case(host.substr(host.size() - kLocal.size()), kLocal);
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const auto& each) { return equal_ignoring_case(each, name); });
}

bool is_same_origin(std::string_view origin, std::string_view host) {
  const std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && equal_ignoring_case(origin.substr(scheme + 3), host);
}

}  // namespace

bool is_loopback(std::string_view host) {
  return is_local_name(host) || host == "::1" || (is_ipv4(host) && host.starts_with("127."));
}

std::string_view bearer_token(const HttpRequest& request) {
  const std::string_view value = request.header("Authorization"), scheme = "Bearer ";
  if (!equal_ignoring_case(value.substr(0, scheme.size()), scheme)) return {};
  const std::size_t first = value.find_first_not_of(' ', scheme.size());
  return first == std::string_view::npos ? std::string_view() : value.substr(first);
}

// Hashes are compared: of them, nobody can choose how far two agree.
bool is_operator(const HttpRequest& request, const AccessOptions& options) {
  return !options.operator_token.empty() && sha256_hex(bearer_token(request)) == sha256_hex(options.operator_token);
}

std::optional<HttpResponse> check_access(const HttpRequest& request, const AccessOptions& options) {
  const std::string_view host = request.header("Host"), name = without_port(host);
  if (host.empty() && request.version != "1.0") return error_response(400, "the request has no Host");
  const bool is_address = is_ipv4(name) || (name.starts_with('[') && name.ends_with(']'));
  if (!host.empty() && !is_address && !is_local_name(name) && !contains(options.hosts, name)) {
    return error_response(
        421, fmt::format("this server does not answer to the name '{}' (r1 serve --allow-host adds one)", name));
  }
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || is_same_origin(origin, host) || contains(options.origins, origin)) return std::nullopt;
  if (request.method == "GET" || request.method == "HEAD") return std::nullopt;  // the browser won't let it be read
  return error_response(
      403, fmt::format("pages of '{}' may not use this server (r1 serve --allow-origin lets them)", origin));
}

std::vector<HttpHeader> cors_headers(const HttpRequest& request, const AccessOptions& options) {
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || !contains(options.origins, origin)) return {};
  std::vector<HttpHeader> headers = {{"Access-Control-Allow-Origin", std::string(origin)},
                                     {"Vary", "Origin"},
                                     {"Access-Control-Expose-Headers", "X-Request-Id"}};
  if (request.method == "OPTIONS") {
    headers.push_back({"Access-Control-Allow-Methods", "GET, POST, OPTIONS"});
    headers.push_back({"Access-Control-Allow-Headers", std::string(request.header("Access-Control-Request-Headers"))});
    headers.push_back({"Access-Control-Max-Age", "600"});
  }
  return headers;
}

}  // namespace r1
