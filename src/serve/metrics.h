// metrics.h: what the server and its engines count, in Prometheus' text format (version 0.0.4). docs/api.md lists all.
#pragma once

#include <span>
#include <string>

#include "serve/http_server.h"
#include "serve/served_model.h"

namespace r1 {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

struct ServerCounts {
  std::int64_t started_s = 0;  // of the epoch
  bool is_ready = false;
  HttpServerStats http;
};

// No token waits for it: engines count with atomics, which are read here.
std::string metrics_text(const ServerCounts& server, std::span<const ServedModel> models);

}  // namespace r1
