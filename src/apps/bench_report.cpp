// bench_report.cpp: tokens per second, shares of the machine's limits, ratios to an earlier run, time by op.
#include "apps/bench_report.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "kernels/kernels.h"

namespace r1 {
namespace {

double percent(double part, double whole) { return whole > 0 ? 100.0 * part / whole : 0.0; }

OrderedJson to_json(const MachinePeaks& peaks) {
  return {{"cpu", cpu_name()},
          {"instruction_set", instruction_set()},
          {"threads", peaks.n_threads},
          {"read_gb_per_s", peaks.read_bytes_per_s * 1e-9},
          {"f32_gop_per_s", peaks.f32_ops_per_s * 1e-9},
          {"int8_gop_per_s", peaks.int8_ops_per_s * 1e-9}};
}

// 0: it was not measured then.
double ratio_to(const EarlierRun& earlier, const BenchRow& row) {
  const auto found = earlier.find({row.test, row.depth});
  return found == earlier.end() || found->second <= 0 ? 0.0 : row.median_tokens_per_s() / found->second;
}

std::string share_of_machine(const BenchReport& report, const BenchRow& row) {
  if (row.is_decode) {
    return fmt::format("{:.1f} GB/s, {:.0f} % of the read bandwidth", row.bytes_per_s() * 1e-9,
                       percent(row.bytes_per_s(), report.peaks.read_bytes_per_s));
  }
  return fmt::format("{:.0f} GOP/s, {:.0f} % of the compute peak", row.ops_per_s() * 1e-9,
                     percent(row.ops_per_s(), report.compute_peak));
}

// The slowest ops first. Bandwidth for decoding, operations for prompts: what limits them.
std::string op_lines(const BenchReport& report, const BenchRow& row) {
  std::vector<OpTotal> ops = row.ops;
  std::stable_sort(ops.begin(), ops.end(), [](const OpTotal& a, const OpTotal& b) { return a.seconds > b.seconds; });
  std::string text = fmt::format("\n| {}, depth {}: op | calls | ms | % of the time | {} | % of the machine |\n",
                                 row.test, row.depth, row.is_decode ? "GB/s" : "GOP/s");
  text += "|---|--:|--:|--:|--:|--:|\n";
  double named = 0;
  for (const OpTotal& op : ops) {
    named += op.seconds;
    const double rate = (row.is_decode ? op.n_bytes : op.n_ops) / op.seconds;
    const double peak = row.is_decode ? report.peaks.read_bytes_per_s : report.compute_peak;
    const std::string shares =
        rate > 0 ? fmt::format("{:.1f} | {:.0f}", rate * 1e-9, percent(rate, peak)) : std::string(" | ");
    text += fmt::format("| {} | {} | {:.2f} | {:.1f} | {} |\n", op.name, op.n_calls, op.seconds * 1e3,
                        percent(op.seconds, row.profiled_seconds), shares);
  }
  const double rest = row.profiled_seconds - named;
  return text +
         fmt::format("| between ops | | {:.2f} | {:.1f} | | |\n", rest * 1e3, percent(rest, row.profiled_seconds));
}

OrderedJson to_json(const BenchReport& report, const BenchRow& row) {
  OrderedJson json = {{"test", row.test},
                      {"depth", row.depth},
                      {"tokens_per_s", row.median_tokens_per_s()},
                      {"repeats", row.tokens_per_s}};
  if (row.is_decode) {
    json["bytes_per_token"] = row.bytes_per_token;
    json["gb_per_s"] = row.bytes_per_s() * 1e-9;
    json["percent_of_read"] = percent(row.bytes_per_s(), report.peaks.read_bytes_per_s);
  } else {
    json["ops_per_token"] = row.ops_per_token;
    json["gop_per_s"] = row.ops_per_s() * 1e-9;
    json["percent_of_compute"] = percent(row.ops_per_s(), report.compute_peak);
  }
  if (const double ratio = ratio_to(report.earlier, row); ratio > 0) json["ratio_to_earlier"] = ratio;
  for (const OpTotal& op : row.ops) {
    json["ops"].push_back({{"op", op.name},
                           {"calls", op.n_calls},
                           {"ms", op.seconds * 1e3},
                           {"gb_per_s", op.n_bytes / op.seconds * 1e-9},
                           {"gop_per_s", op.n_ops / op.seconds * 1e-9}});
  }
  return json;
}

}  // namespace

Result<EarlierRun> read_earlier(const std::string& path) {
  R1_TRY(const Json json, read_json_file(path));
  const Error not_a_run{ErrorCode::kInvalidInput, path + ": not the output of r1 bench --json"};
  if (!json.is_object() || !json.contains("rows") || !json["rows"].is_array()) return not_a_run;
  EarlierRun earlier;
  for (const Json& row : json["rows"]) {
    if (!row.is_object() || !row.contains("test") || !row["test"].is_string() || !row.contains("depth") ||
        !row["depth"].is_number_integer() || !row.contains("tokens_per_s") || !row["tokens_per_s"].is_number()) {
      return not_a_run;
    }
    earlier[{row["test"].get<std::string>(), row["depth"].get<int>()}] = row["tokens_per_s"].get<double>();
  }
  return earlier;
}

std::string BenchReport::markdown() const {
  const bool compares = !earlier.empty();
  std::string text = machine_markdown(peaks);
  text += fmt::format("\n| test | depth | tokens/s | min | max | {}of the machine |\n|---|--:|--:|--:|--:|{}---|\n",
                      compares ? "to the earlier run | " : "", compares ? "--:|" : "");
  for (const BenchRow& row : rows) {
    const auto [low, high] = std::minmax_element(row.tokens_per_s.begin(), row.tokens_per_s.end());
    const double ratio = ratio_to(earlier, row);
    text += fmt::format("| {} | {} | {:.2f} | {:.2f} | {:.2f} | {}{} |\n", row.test, row.depth,
                        row.median_tokens_per_s(), *low, *high,
                        !compares   ? ""
                        : ratio > 0 ? fmt::format("{:.2f} x | ", ratio)
                                    : "| ",
                        share_of_machine(*this, row));
  }
  for (const BenchRow& row : rows) {
    if (!row.ops.empty()) text += op_lines(*this, row);
  }
  return text;
}

std::string BenchReport::json() const {
  OrderedJson json = {{"model", model}, {"kv", kv}, {"machine", to_json(peaks)}, {"rows", OrderedJson::array()}};
  for (const BenchRow& row : rows) json["rows"].push_back(to_json(*this, row));
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string machine_markdown(const MachinePeaks& peaks) {
  return fmt::format(
      "| machine | {} |\n|---|---|\n| instruction set | {} |\n| threads | {} |\n| memory read | {:.1f} GB/s |\n"
      "| f32 multiply-add | {:.0f} GOP/s |\n| int8 products | {:.0f} GOP/s |\n",
      cpu_name(), instruction_set(), peaks.n_threads, peaks.read_bytes_per_s * 1e-9, peaks.f32_ops_per_s * 1e-9,
      peaks.int8_ops_per_s * 1e-9);
}

std::string machine_json(const MachinePeaks& peaks) { return to_json(peaks).dump(2) + "\n"; }

}  // namespace r1
