// cmd_synth.cpp: `r1 synth`, random-weight models for tests and benchmarks.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/commands.h"
#include "apps/synth.h"
#include "apps/type_mix.h"
#include "apps/units.h"

namespace r1 {
namespace {

struct SynthArguments {
  SynthOptions options;
  std::string destination, mla_split = "yes";
};

// One changing line on a terminal, silence elsewhere.
class Progress {
 public:
  void operator()(std::int64_t done_bytes, std::int64_t total_bytes) {
    const auto percent = static_cast<int>(100.0 * static_cast<double>(done_bytes) / static_cast<double>(total_bytes));
    if (!is_terminal_ || percent == drawn_percent_) return;
    drawn_percent_ = percent;
    fmt::print(stderr, "\r{:>3} %  {} of {} ", percent, format_bytes(done_bytes), format_bytes(total_bytes));
    std::fflush(stderr);
  }
  ~Progress() {
    if (drawn_percent_ >= 0) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
  int drawn_percent_ = -1;
};

Status run_synth(SynthArguments arguments) {
  arguments.options.mla = arguments.mla_split == "yes" ? MlaTensors::kSplit : MlaTensors::kJoined;
  Progress progress;
  return synthesize(arguments.options, arguments.destination, progress);
}

}  // namespace

void add_synth(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("synth", "write a random-weight model of a named shape, for tests and benchmarks");
  auto arguments = std::make_shared<SynthArguments>();
  SynthOptions& options = arguments->options;
  command->add_option("SHAPE", options.shape, synth_shape_names())->required();
  command->add_option("DST", arguments->destination, "a file ending in .gguf, or a folder as Hugging Face has them")
      ->required();
  command->add_option(
      "--type", options.type,
      fmt::format("GGUF: {} (default q4_k_m); folder: f32, bf16, f16, fp8 (default bf16)", type_mix_names()));
  command->add_option("--layers", options.n_layers, "number of layers, instead of the shape's own")
      ->check(CLI::PositiveNumber);
  command->add_option("--seed", options.seed, "the same seed gives the same file")->capture_default_str();
  command->add_option("--mla-split", arguments->mla_split, "deepseek GGUF: attn_k_b and attn_v_b instead of attn_kv_b")
      ->check(CLI::IsMember({"yes", "no"}))
      ->capture_default_str();
  command->callback([&action, arguments] { action = [arguments] { return run_synth(*arguments); }; });
}

}  // namespace r1
