// http_send.cpp: the three ways of answering: a response, one that needs time, and a stream of events.
#include <ctime>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "serve/http_incoming.h"

// GCC 12 takes the two sides of Asio's coroutine frame allocation for a mismatch when it inlines only one of them.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace r1 {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;

namespace {

constexpr std::size_t kIdleBufferBytes = 256;  // a stream that waits holds no more than this

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  const std::size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text, length};
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value) out += c == '\r' || c == '\n' ? ' ' : c;  // no value can start a line of its own
  out += "\r\n";
}

bool has_body(int status) { return status != 204 && status != 304; }

std::string head_of(int status, std::string_view content_type, std::string_view request_id) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, http_reason(status));
  append_header(head, "Date", http_date());
  append_header(head, "Server", "r1");
  append_header(head, "X-Request-Id", request_id);
  append_header(head, "X-Content-Type-Options", "nosniff");
  if (has_body(status)) append_header(head, "Content-Type", content_type);
  return head;
}

// A piece of a body begins with room for the length that chunked coding puts before it.
constexpr std::size_t kChunkHeadBytes = 10;
void begin_piece(std::string& piece) { piece.assign(kChunkHeadBytes, ' '); }
bool is_empty(const std::string& piece) { return piece.size() <= kChunkHeadBytes; }

}  // namespace

awaitable<bool> HttpConnection::answer(HttpReply reply, const Incoming& incoming) {
  if (const auto* response = std::get_if<HttpResponse>(&reply)) co_return co_await send_response(*response, incoming);
  start_watch();
  bool keep_alive = false;
  if (auto* deferred = std::get_if<std::unique_ptr<HttpDeferred>>(&reply))
    keep_alive = co_await send_deferred(std::move(*deferred), incoming);
  else
    keep_alive = co_await send_stream(std::get<std::unique_ptr<HttpStream>>(std::move(reply)), incoming);
  end_watch();
  if (gone_) ++all_.clients_gone;
  co_return keep_alive && !gone_;
}

bool HttpConnection::keeps_alive(const Incoming& incoming) const {
  return incoming.keep_alive && !all_.draining && !interrupted_;
}

void HttpConnection::begin_head(int status) {
  status_ = status;
  ++all_.responses[static_cast<std::size_t>(status)];
}

awaitable<bool> HttpConnection::send_response(const HttpResponse& response, const Incoming& incoming) {
  const bool keep_alive = keeps_alive(incoming);
  begin_head(response.status);
  const bool is_error = response.status >= 400 && response.content_type == "application/json";
  const std::string body = is_error ? with_request_id(response.body, request_id_) : std::string();
  const std::string_view sent = is_error ? body : response.body;
  std::string out = head_of(response.status, response.content_type, request_id_);
  for (const HttpHeader& header : response.headers) append_header(out, header.name, header.value);
  if (has_body(response.status)) append_header(out, "Content-Length", std::to_string(sent.size()));
  append_header(out, "Connection", keep_alive ? "keep-alive" : "close");
  out += "\r\n";
  if (!incoming.is_head && has_body(response.status)) out += sent;
  const bool delivered = co_await write(out);
  co_return (delivered && keep_alive);
}

// Clients give up on a silent connection (undici after 300 s without a header), and a long answer on a slow machine
// takes longer. So after a silence the header goes out and blank lines follow, which JSON allows, as DeepSeek does.
// From then on the status is 200; should the answer fail after all, the connection breaks, which no client takes for
// success.
awaitable<bool> HttpConnection::send_deferred(std::unique_ptr<HttpDeferred> deferred, const Incoming& incoming) {
  const std::vector<HttpHeader> headers = std::move(deferred->headers);
  std::optional<HttpResponse> response;
  std::string piece;
  bool head_sent = false;
  Time keep_alive_at = after_ms(all_.options.keep_alive_ms);
  while (!(response = deferred->advance())) {
    if (interrupted_) response = deferred->interrupt();
    if (response) break;
    const bool woken = co_await wait_until(keep_alive_at);
    if (gone_) co_return false;
    if (woken) continue;
    if (!std::exchange(head_sent, true)) {
      begin_head(200);
      if (!co_await write(body_head("application/json", headers, incoming))) co_return false;
    }
    begin_piece(piece);
    piece += '\n';
    if (!co_await write_piece(piece, Piece::kMiddle, incoming)) co_return false;
    keep_alive_at = after_ms(all_.options.keep_alive_ms);
  }
  deferred.reset();
  response->headers.insert(response->headers.end(), headers.begin(), headers.end());
  if (!head_sent) co_return co_await send_response(*response, incoming);
  if (response->status != 200) co_return false;
  begin_piece(piece);
  piece += response->body;
  const bool delivered = co_await write_piece(piece, Piece::kLast, incoming);
  co_return (delivered && keeps_alive(incoming));
}

awaitable<bool> HttpConnection::send_stream(std::unique_ptr<HttpStream> stream, const Incoming& incoming) {
  using Progress = HttpStream::Progress;
  const Counted streaming(all_.n_streaming);
  begin_head(200);
  if (!co_await write(body_head("text/event-stream; charset=utf-8", stream->headers, incoming))) co_return false;
  std::string piece;
  Time keep_alive_at = after_ms(all_.options.keep_alive_ms);
  for (Progress progress = Progress::kMore; progress != Progress::kDone;) {
    begin_piece(piece);
    progress = stream->advance(piece);
    if (interrupted_ && progress != Progress::kDone) {
      stream->interrupt(piece);
      progress = Progress::kDone;
    }
    if (progress == Progress::kDone) stream.reset();
    const bool is_last = progress == Progress::kDone;
    if (!is_empty(piece) || is_last) {
      if (!co_await write_piece(piece, is_last ? Piece::kLast : Piece::kMiddle, incoming)) co_return false;
      keep_alive_at = after_ms(all_.options.keep_alive_ms);
    }
    if (progress == Progress::kMore) co_await asio::post(*all_.io, asio::use_awaitable);  // the others' turn
    if (progress != Progress::kWaiting) continue;
    if (piece.capacity() > kIdleBufferBytes)
      std::string().swap(piece);  // assigned an empty one, it would keep its memory
    const bool woken = co_await wait_until(keep_alive_at);
    if (gone_) co_return false;
    if (woken) continue;
    begin_piece(piece);
    piece += ": keep-alive\n\n";
    if (!co_await write_piece(piece, Piece::kMiddle, incoming)) co_return false;
    keep_alive_at = after_ms(all_.options.keep_alive_ms);
  }
  co_return keeps_alive(incoming);
}

// The header of a body whose length is not known yet.
std::string HttpConnection::body_head(std::string_view content_type, const std::vector<HttpHeader>& headers,
                                      const Incoming& incoming) const {
  std::string head = head_of(200, content_type, request_id_);
  for (const HttpHeader& header : headers) append_header(head, header.name, header.value);
  append_header(head, "Cache-Control", "no-cache, no-transform");
  append_header(head, "X-Accel-Buffering", "no");  // nginx would hold events back
  if (incoming.can_chunk) append_header(head, "Transfer-Encoding", "chunked");
  append_header(head, "Connection", keeps_alive(incoming) && incoming.can_chunk ? "keep-alive" : "close");
  return head + "\r\n";
}

awaitable<bool> HttpConnection::write_piece(std::string& piece, Piece which, const Incoming& incoming) {
  if (!incoming.can_chunk) co_return co_await write(std::string_view(piece).substr(kChunkHeadBytes));
  std::string_view bytes = piece;
  if (is_empty(piece)) {
    piece.clear();
  } else {
    fmt::format_to_n(piece.data(), kChunkHeadBytes, "{:08x}\r\n", piece.size() - kChunkHeadBytes);
    piece += "\r\n";
  }
  if (which == Piece::kLast) piece += "0\r\n\r\n";
  bytes = piece;
  co_return co_await write(bytes);
}

// Most writes fit into the socket's buffer at once: those need no timer and no turn of the loop.
awaitable<bool> HttpConnection::write(std::string_view bytes) {
  error_code failed;
  std::size_t n_sent = socket_.write_some(asio::buffer(bytes), failed);
  if (failed == asio::error::would_block) {
    n_sent = 0;
    failed = {};
  }
  if (!failed && n_sent < bytes.size()) {
    start_deadline(all_.options.write_timeout_ms);
    const auto [error, n_rest] = co_await asio::async_write(socket_, asio::buffer(bytes.substr(n_sent)), kAwait);
    end_deadline();
    failed = error;
  }
  if (failed) gone_ = true;
  co_return !gone_;
}

}  // namespace r1
