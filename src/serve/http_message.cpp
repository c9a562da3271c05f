// http_message.cpp: reading headers by name, and the error body.
#include "serve/http_message.h"

#include <algorithm>
#include <type_traits>

#include "serve/json_writer.h"

namespace r1 {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The `type` of an error body; clients switch on the status, people read this.
std::string_view error_type(int status) {
  if (status == 401) return "authentication_error";
  if (status == 402) return "unknown_error";  // DeepSeek's word for it
  if (status == 403) return "permission_error";
  if (status == 429) return "rate_limit_error";
  if (status == 503) return "overloaded_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

void append_string_or_null(std::string& out, std::string_view text) {
  if (text.empty())
    out += "null";
  else
    append_json_string(out, text);
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view HttpRequest::header(std::string_view name) const {
  for (const HttpHeader& header : headers)
    if (equal_ignoring_case(header.name, name)) return header.value;
  return {};
}

HttpResponse HttpDeferred::interrupt() { return stopping_response(); }

void append_headers(HttpReply& reply, const std::vector<HttpHeader>& headers) {
  const auto append_to = [&](std::vector<HttpHeader>& own) { own.insert(own.end(), headers.begin(), headers.end()); };
  std::visit(
      [&](auto& answer) {
        if constexpr (std::is_same_v<std::decay_t<decltype(answer)>, HttpResponse>)
          append_to(answer.headers);
        else
          append_to(answer->headers);
      },
      reply);
}

std::string error_body(int status, std::string_view message, std::string_view param, std::string_view code) {
  std::string body = R"({"error":{"message":)";
  append_json_string(body, message);
  body += R"(,"type":)";
  append_json_string(body, error_type(status));
  body += R"(,"param":)";
  append_string_or_null(body, param);
  body += R"(,"code":)";
  append_string_or_null(body, code);
  body += "}}";
  return body;
}

HttpResponse error_response(int status, std::string_view message, std::string_view param, std::string_view code) {
  HttpResponse response;
  response.status = status;
  response.body = error_body(status, message, param, code);
  return response;
}

HttpResponse retry_after(HttpResponse response, int seconds) {
  response.headers.push_back({"Retry-After", std::to_string(seconds)});
  return response;
}

HttpResponse stopping_response() { return retry_after(error_response(503, "the server is stopping"), 5); }

std::string with_request_id(std::string error_json, std::string_view id) {
  // As OpenAI's and DeepSeek's clients read errors, or as Anthropic's do.
  const bool is_error = error_json.starts_with(R"({"error":)") || error_json.starts_with(R"({"type":"error","error":)");
  if (!is_error || id.empty()) return error_json;
  error_json.back() = ',';
  error_json += R"("request_id":)";
  append_json_string(error_json, id);
  error_json += '}';
  return error_json;
}

bool is_sane_request_id(std::string_view id) {
  const auto is_sane = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), is_sane);
}

std::string_view http_reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

}  // namespace r1
