// metrics.h: what the server and its engines count, in Prometheus' text format (version 0.0.4). docs/api.md lists all.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "engine/engine.h"
#include "serve/http_server.h"

namespace r1 {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

struct ServerCounts {
  std::int64_t started_s = 0;  // of the epoch
  bool is_ready = false;
  std::int64_t model_bytes_max = 0;  // of loaded models; 0: no limit
  HttpServerStats http;
};

struct ModelCounts {
  std::string name;
  bool is_loaded = true;
  std::int64_t bytes = 0, n_loads = 0;
  std::optional<EngineStats> stats;  // of those that are loaded; they begin at zero with each load
};

// No token waits for it: engines count with atomics, which are read before.
std::string metrics_text(const ServerCounts& server, std::span<const ModelCounts> models);

}  // namespace r1
