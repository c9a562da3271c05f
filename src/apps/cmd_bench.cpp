// cmd_bench.cpp: `r1 bench MODEL`: tokens per second, and what share of the machine that is. `r1 bench --machine`: the
// machine alone.
#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/loaded_model.h"
#include "apps/model_bench.h"
#include "apps/standard_streams.h"
#include "apps/store.h"
#include "base/json.h"
#include "kernels/kernels.h"

namespace r1 {
namespace {

struct Options {
  EngineFlags engine;
  BenchPlan plan;
  std::string model;
  bool machine_only = false, json = false;
};

double percent(double part, double whole) { return whole > 0 ? 100.0 * part / whole : 0.0; }

OrderedJson to_json(const MachinePeaks& peaks) {
  return {{"cpu", cpu_name()},
          {"instruction_set", instruction_set()},
          {"threads", peaks.n_threads},
          {"read_gb_per_s", peaks.read_bytes_per_s * 1e-9},
          {"f32_gop_per_s", peaks.f32_ops_per_s * 1e-9},
          {"int8_gop_per_s", peaks.int8_ops_per_s * 1e-9}};
}

std::string machine_lines(const MachinePeaks& peaks) {
  return fmt::format(
      "| machine | {} |\n|---|---|\n| instruction set | {} |\n| threads | {} |\n| memory read | {:.1f} GB/s |\n"
      "| f32 multiply-add | {:.0f} GOP/s |\n| int8 products | {:.0f} GOP/s |\n",
      cpu_name(), instruction_set(), peaks.n_threads, peaks.read_bytes_per_s * 1e-9, peaks.f32_ops_per_s * 1e-9,
      peaks.int8_ops_per_s * 1e-9);
}

// Quantised weights are multiplied as bytes, float weights as f32.
double compute_peak(const Model& model, const MachinePeaks& peaks) {
  const bool floats = kernels(model.weights.layers.front().wo.dtype).activation == ActivationFormat::kF32;
  return floats ? peaks.f32_ops_per_s : peaks.int8_ops_per_s;
}

std::string bench_lines(const std::vector<BenchRow>& rows, const Model& model, const MachinePeaks& peaks) {
  std::string text = "\n| test | depth | tokens/s | min | max | of the machine |\n|---|--:|--:|--:|--:|---|\n";
  for (const BenchRow& row : rows) {
    const auto [low, high] = std::minmax_element(row.tokens_per_s.begin(), row.tokens_per_s.end());
    const std::string share = row.is_decode
                                  ? fmt::format("{:.1f} GB/s, {:.0f} % of the read bandwidth", row.bytes_per_s() * 1e-9,
                                                percent(row.bytes_per_s(), peaks.read_bytes_per_s))
                                  : fmt::format("{:.0f} GOP/s, {:.0f} % of the compute peak", row.ops_per_s() * 1e-9,
                                                percent(row.ops_per_s(), compute_peak(model, peaks)));
    text += fmt::format("| {} | {} | {:.2f} | {:.2f} | {:.2f} | {} |\n", row.test, row.depth, row.median_tokens_per_s(),
                        *low, *high, share);
  }
  return text;
}

OrderedJson to_json(const BenchRow& row, double read_peak, double ops_peak) {
  OrderedJson json = {{"test", row.test},
                      {"depth", row.depth},
                      {"tokens_per_s", row.median_tokens_per_s()},
                      {"repeats", row.tokens_per_s}};
  if (row.is_decode) {
    json["bytes_per_token"] = row.bytes_per_token;
    json["gb_per_s"] = row.bytes_per_s() * 1e-9;
    json["percent_of_read"] = percent(row.bytes_per_s(), read_peak);
  } else {
    json["ops_per_token"] = row.ops_per_token;
    json["gop_per_s"] = row.ops_per_s() * 1e-9;
    json["percent_of_compute"] = percent(row.ops_per_s(), ops_peak);
  }
  return json;
}

Status bench_machine(const Options& options) {
  const MachinePeaks peaks =
      measure_machine(options.engine.n_threads > 0 ? options.engine.n_threads : n_usable_cores());
  return write_stdout(options.json ? to_json(peaks).dump(2) + "\n" : machine_lines(peaks));
}

Status bench(Options options) {
  if (options.machine_only) return bench_machine(options);
  R1_TRY(const std::string path, resolve_model(options.model));
  R1_TRY(const Model model, load_model(path));
  R1_TRY(const ModelEngineOptions engine, engine_options(options.engine, model));
  options.plan.n_threads = engine.n_threads;
  options.plan.kv_dtype = engine.kv_dtype;
  const MachinePeaks peaks = measure_machine(engine.n_threads);
  const std::vector<BenchRow> rows = run_bench(model, options.plan);
  if (!options.json) return write_stdout(machine_lines(peaks) + bench_lines(rows, model, peaks));
  OrderedJson json = {{"model", options.model},
                      {"kv", traits(engine.kv_dtype).name},
                      {"machine", to_json(peaks)},
                      {"rows", OrderedJson::array()}};
  for (const BenchRow& row : rows)
    json["rows"].push_back(to_json(row, peaks.read_bytes_per_s, compute_peak(model, peaks)));
  return write_stdout(json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("bench", "prefill and decode speed, and what share of this machine's limits it is");
  CLI::Option* model = command->add_option("MODEL", options->model, "a path, or a name in the store");
  CLI::Option* machine =
      command->add_flag("--machine", options->machine_only, "measure read bandwidth and compute peaks only");
  command->add_option("-p,--prefill", options->plan.n_prefill, "tokens of a prompt; 0: none")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("-n,--decode", options->plan.n_decode, "tokens to decode; 0: none")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("-r,--repeat", options->plan.n_repeats, "runs of each; the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--depth", options->plan.depths, "tokens in the cache before: 0,4096")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20));
  command->add_flag("--json", options->json, "as JSON");
  options->engine.add_to(*command);
  machine->excludes(model);
  command->callback([options, model, machine, &action] {
    if (model->count() + machine->count() == 0) throw CLI::RequiredError("MODEL or --machine");
    action = [options] { return bench(*options); };
  });
}

}  // namespace r1
