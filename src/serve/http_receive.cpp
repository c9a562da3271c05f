// http_receive.cpp: reading a request, within limits of size and time, and refusing what is none.
#include <utility>

#include <fmt/format.h>
#include <boost/beast/core/read_size.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "serve/http_incoming.h"

// GCC 12 takes the two sides of Asio's coroutine frame allocation for a mismatch when it inlines only one of them.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace r1 {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using boost::system::error_code;

namespace {

constexpr int kLingerMs = 2'000;

using Parser = http::request_parser<http::string_body>;

// "/v1/models?x" of "GET http://host/v1/models?x" and of "GET /v1/models?x".
std::string_view origin_form(std::string_view target) {
  const std::size_t scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return target;
  const std::size_t path = target.find('/', scheme + 3);
  return path == std::string_view::npos ? "/" : target.substr(path);
}

// Whether a header line continues the one before it (obs-fold), in bytes that the parser has not taken yet: it takes a
// field when it has seen what begins the next line. An empty line is the header's end, and what follows is a body's.
bool has_folded_line(std::string_view unread) {
  if (unread.starts_with("\r\n")) return false;
  const std::string_view lines = unread.substr(0, unread.find("\r\n\r\n"));
  return lines.find("\r\n ") != lines.npos || lines.find("\r\n\t") != lines.npos;
}

// What http::async_read_header does, but that it would join such lines, where another reader may see a field of its
// own.
awaitable<error_code> read_header(asio::ip::tcp::socket& socket, boost::beast::flat_buffer& buffer, Parser& parser) {
  constexpr std::size_t kReadBytes = 65'536;
  while (true) {
    if (buffer.size() > 0) {
      const auto unread = buffer.cdata();
      if (has_folded_line({static_cast<const char*>(unread.data()), unread.size()}))
        co_return http::make_error_code(http::error::bad_obs_fold);
      error_code failed;
      buffer.consume(parser.put(unread, failed));
      if (failed != http::error::need_more) co_return failed;
    }
    const auto [failed, n_bytes] =
        co_await socket.async_read_some(buffer.prepare(boost::beast::read_size(buffer, kReadBytes)), kAwait);
    if (failed) co_return failed;
    buffer.commit(n_bytes);
  }
}

// All but its body.
HttpRequest to_request(const Parser& parser) {
  const auto& message = parser.get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string_view target = origin_form({message.target().data(), message.target().size()});
  const std::size_t question = target.find('?');
  request.path = std::string(target.substr(0, question));
  if (question != std::string_view::npos) request.query = std::string(target.substr(question + 1));
  request.version = fmt::format("{}.{}", message.version() / 10, message.version() % 10);
  for (const auto& field : message)
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  return request;
}

// The bytes are at fault, not the line: the parser's own errors, but for those that say the client had gone.
bool is_malformed(const error_code& failed) {
  return failed && failed.category() == http::make_error_code(http::error::bad_method).category() &&
         failed != http::error::end_of_stream && failed != http::error::partial_message;
}

}  // namespace

// False when there is no request to answer: none came, or it was refused, or its client had gone.
awaitable<bool> HttpConnection::receive(Incoming& incoming) {
  const HttpServerOptions& options = all_.options;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options.header_bytes_max));
  parser.body_limit(static_cast<std::uint64_t>(options.body_bytes_max));
  start_deadline(options.header_timeout_ms);
  const error_code header_error = co_await read_header(socket_, buffer_, parser);
  end_deadline();
  if (timed_out_) co_return co_await refuse(408, "the header of the request took too long");
  if (header_error == http::error::header_limit)
    co_return co_await refuse(431, fmt::format("the header is larger than {} bytes", options.header_bytes_max));
  if (header_error == http::error::body_limit)
    co_return co_await refuse(413, fmt::format("the body is larger than {} bytes", options.body_bytes_max));
  if (is_malformed(header_error))
    co_return co_await refuse(400, fmt::format("not an HTTP request: {}", header_error.message()));
  if (header_error) co_return false;

  incoming.request = to_request(parser);  // before its body, behind which more fields may come: those are no headers
  const auto encoding = parser.get()[http::field::content_encoding];
  if (!encoding.empty() && encoding != "identity")
    co_return co_await refuse(415, "compressed bodies are not read; send the body without Content-Encoding");
  if (parser.chunked() || parser.content_length().value_or(0) > 0) {
    incoming.reserved.reserve(static_cast<std::int64_t>(
        parser.content_length().value_or(static_cast<std::uint64_t>(options.body_bytes_max))));
    if (all_.bodies_bytes > options.bodies_bytes_max)
      co_return co_await refuse(503, "too many requests are being received; try again in a moment");
    if (equal_ignoring_case(std::string_view(parser.get()[http::field::expect]), "100-continue") &&
        !co_await write("HTTP/1.1 100 Continue\r\n\r\n"))
      co_return false;
    start_deadline(options.body_timeout_ms);
    const auto [body_error, body_bytes] = co_await http::async_read(socket_, buffer_, parser, kAwait);
    end_deadline();
    if (timed_out_) co_return co_await refuse(408, "the body of the request took too long");
    if (body_error == http::error::body_limit)
      co_return co_await refuse(413, fmt::format("the body is larger than {} bytes", options.body_bytes_max));
    if (is_malformed(body_error))
      co_return co_await refuse(400, fmt::format("not an HTTP body: {}", body_error.message()));
    if (body_error) co_return false;
  }
  incoming.can_chunk = parser.get().version() >= 11;
  incoming.keep_alive = parser.get().keep_alive() && incoming.can_chunk;
  incoming.request.body = std::move(parser.get().body());
  incoming.is_head = incoming.request.method == "HEAD";
  if (const std::string_view id = incoming.request.header("X-Request-Id"); is_sane_request_id(id)) request_id_ = id;
  incoming.request.id = request_id_;
  co_return !interrupted_;
}

// Answers what could not be read to its end; nothing after it on this connection can be trusted.
awaitable<bool> HttpConnection::refuse(int status, std::string_view message) {
  const Incoming unread(all_.bodies_bytes);
  HttpResponse response = error_response(status, message);
  if (status == 503) response = retry_after(std::move(response), 1);
  co_await send_response(response, unread);
  log_answer("unread", "");
  co_await linger();
  co_return false;
}

awaitable<void> HttpConnection::linger() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  char unread[4096];
  start_deadline(kLingerMs);
  for (bool open = true; open && !timed_out_;) {
    const auto [failed, n_bytes] = co_await socket_.async_read_some(asio::buffer(unread), kAwait);
    open = !failed;
  }
  end_deadline();
}

}  // namespace r1
