// cmd_bench.cpp: `r1 bench MODEL`: tokens per second, and what share of the machine that is. `r1 bench --machine`: the
// machine alone.
#include <memory>

#include <CLI/CLI.hpp>

#include "apps/bench_report.h"
#include "apps/commands.h"
#include "apps/loaded_model.h"
#include "apps/model_bench.h"
#include "apps/standard_streams.h"
#include "apps/store.h"
#include "base/cores.h"
#include "kernels/kernels.h"

namespace r1 {
namespace {

struct BenchCommandOptions {
  EngineFlags engine;
  BenchPlan plan;
  std::string model;
  std::string compare;
  bool machine_only = false, json = false;
};

// Quantised weights are multiplied as bytes, float weights as f32.
double compute_peak(const Model& model, const MachinePeaks& peaks) {
  const bool floats = kernels(model.weights.layers.front().wo.dtype).activation == ActivationFormat::kF32;
  return floats ? peaks.f32_ops_per_s : peaks.int8_ops_per_s;
}

Status bench_machine(const BenchCommandOptions& options) {
  const MachinePeaks peaks =
      measure_machine(options.engine.n_threads > 0 ? options.engine.n_threads : n_usable_cores());
  return write_stdout(options.json ? machine_json(peaks) : machine_markdown(peaks));
}

Status bench(BenchCommandOptions options) {
  if (options.machine_only) return bench_machine(options);
  R1_TRY(const std::string path, resolve_model(options.model));
  R1_TRY(const Model model, load_model(path, options.engine));
  R1_TRY(const ModelEngineOptions engine, engine_options(options.engine, model));
  options.plan.n_threads = engine.n_threads;
  options.plan.placement = engine.placement;
  options.plan.kv_dtype = engine.kv_dtype;
  const MachinePeaks peaks = measure_machine(engine.n_threads);
  BenchReport report{.model = options.model,
                     .kv = std::string(traits(engine.kv_dtype).name),
                     .peaks = peaks,
                     .compute_peak = compute_peak(model, peaks),
                     .rows = run_bench(model, options.plan)};
  if (!options.compare.empty()) {
    R1_TRY(report.earlier, read_earlier(options.compare));
  }
  return write_stdout(options.json ? report.json() : report.markdown());
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto options = std::make_shared<BenchCommandOptions>();
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
  command->add_option("--streams", options->plan.n_streams, "sequences that decode together")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("-r,--repeat", options->plan.n_repeats, "runs of each; the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--depth", options->plan.depths, "tokens in the cache before: 0,4096")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0, 1 << 20));
  command->add_flag("--profile", options->plan.profile, "where the time goes, op by op, in one more run of each test");
  command->add_option("--compare", options->compare, "a file with the --json of an earlier run: ratios to it");
  command->add_flag("--json", options->json, "as JSON");
  options->engine.add_to(*command);
  machine->excludes(model);
  command->callback([options, model, machine, &action] {
    if (model->count() + machine->count() == 0) throw CLI::RequiredError("MODEL or --machine");
    action = [options] { return bench(*options); };
  });
}

}  // namespace r1
