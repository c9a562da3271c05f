// http_incoming.h: what the parts of HttpConnection share: a request at work, and their words for waiting.
#pragma once

#include <atomic>
#include <cstdint>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "serve/http_connection.h"

// GCC 12 takes the two sides of Asio's coroutine frame allocation for a mismatch when it inlines only one of them.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace r1 {

inline constexpr auto kAwait =
    boost::asio::as_tuple(boost::asio::use_awaitable);  // errors as values, not as exceptions

using Time = boost::asio::steady_timer::time_point;
Time after_ms(int ms);

// Adds one for the time it lives.
struct Counted {
  explicit Counted(std::atomic<int>& count) : counter(count) { ++counter; }
  ~Counted() { --counter; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  std::atomic<int>& counter;
};

struct ReservedBytes {
  explicit ReservedBytes(std::int64_t& total) : reserved_in(total) {}
  ~ReservedBytes() { reserved_in -= bytes; }
  ReservedBytes(const ReservedBytes&) = delete;
  ReservedBytes& operator=(const ReservedBytes&) = delete;
  void reserve(std::int64_t more) {
    bytes += more;
    reserved_in += more;
  }
  std::int64_t& reserved_in;
  std::int64_t bytes = 0;
};

struct HttpConnection::Incoming {
  explicit Incoming(std::int64_t& bodies_bytes) : reserved(bodies_bytes) {}
  HttpRequest request;
  ReservedBytes reserved;
  bool keep_alive = false;
  bool is_head = false;
  bool can_chunk = true;  // HTTP/1.0 knows no chunks: the end of the connection ends the body
};

}  // namespace r1
