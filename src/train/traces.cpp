// traces.cpp: lines out, lines in.
#include "train/traces.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

constexpr std::int64_t kMaxBytes = std::int64_t{1} << 30;

Result<Trace> parse_line(std::string_view line, const std::string& what) {
  R1_TRY(const Json parsed, parse_json(line, what, {.max_depth = 4, .max_bytes = 1 << 20}));
  Trace trace;
  R1_TRY(trace.task, json_string(parsed, "task", ""));
  R1_TRY(trace.prompt, json_string(parsed, "prompt", ""));
  R1_TRY(trace.written, json_string(parsed, "written", ""));
  if (trace.prompt.empty() || !trace.written.starts_with("<think>\n")) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("{}: no prompt, or an answer that does not begin with <think>", what)};
  }
  return trace;
}

}  // namespace

std::string to_json_line(const Trace& trace) {
  return OrderedJson{{"task", trace.task}, {"prompt", trace.prompt}, {"written", trace.written}}.dump(
             -1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

Result<std::vector<Trace>> read_traces(const std::string& path) {
  R1_TRY(const std::string text, read_file(path, kMaxBytes));
  std::vector<Trace> traces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    R1_TRY(Trace trace, parse_line(std::string_view(text).substr(at, end - at),
                                   fmt::format("{}, line {}", path, traces.size() + 1)));
    traces.push_back(std::move(trace));
    at = end + 1;
  }
  if (traces.empty()) return Error{ErrorCode::kInvalidInput, fmt::format("'{}' holds no traces", path)};
  return traces;
}

}  // namespace r1
