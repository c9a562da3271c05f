// gemm_bench.cpp: the products of training (kernels/gemm.h) on every instruction set this CPU has, on one thread.
//
// Names are CASE/SHAPE/SET, for --benchmark_filter. SHAPE is rows of c x columns of c x what is summed over. Cases:
//   forward, d_input, d_weight   b is packed in each call, as gradients and activations are
//   packed                       weights packed before: decoding during training, many micro-batches of one step
// GFLOP/s count a multiplication and an addition as two; "peak" is the share of what a loop of fused multiply-adds on
// registers reaches with the same instructions, measured before. Times are the thread's CPU time.
#include <benchmark/benchmark.h>

#include <ctime>
#include <string>

#include "kernels/instruction_set.h"
#include "kernels/kernel_fixtures.h"

namespace r1 {
namespace {

enum class Case { kForward, kDInput, kDWeight, kPacked };
constexpr const char* kCaseNames[] = {"forward", "d_input", "d_weight", "packed"};

struct Shape3 {
  Case kind;
  int n_lines, n_columns, n_k;
};
constexpr Shape3 kShapes[] = {
    // A linear layer of a small dense model, by 2,048 tokens.
    {Case::kForward, 2048, 256, 256},
    {Case::kForward, 2048, 1024, 256},
    {Case::kForward, 2048, 256, 1024},
    {Case::kDInput, 2048, 256, 256},
    {Case::kDInput, 2048, 256, 1024},
    {Case::kDWeight, 256, 256, 2048},
    {Case::kDWeight, 1024, 256, 2048},
    // 3M active parameters: dim 256, 8 heads of 32 + 16, latents of 64, experts of 128, 1,024 tokens in the vocabulary.
    {Case::kForward, 2048, 384, 64},
    {Case::kForward, 2048, 80, 256},
    {Case::kForward, 2048, 640, 256},
    {Case::kForward, 256, 128, 256},
    {Case::kForward, 32, 128, 256},
    {Case::kDInput, 256, 256, 128},
    {Case::kDWeight, 128, 256, 256},
    {Case::kDWeight, 80, 256, 2048},
    // Decoding.
    {Case::kPacked, 2048, 768, 256},
    {Case::kPacked, 1, 768, 256},
    {Case::kPacked, 8, 768, 256},
    {Case::kPacked, 16, 768, 256},
    {Case::kPacked, 32, 768, 256},
    {Case::kPacked, 64, 768, 256},
};

double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Operations a second: the best of a few runs of some 20 ms, since neighbours only ever slow one down.
double measure_peak(const InstructionSet& set) {
  std::int64_t n_rounds = 1000;
  double best = 0, seconds = 0;
  volatile double sink = 0;
  for (int run = 0; run < 10;) {
    const double start = thread_seconds();
    const ProbeRun done = set.probe_fma(n_rounds);
    seconds = thread_seconds() - start;
    sink = done.value;
    if (seconds < 0.02) {
      n_rounds *= 2;
      continue;
    }
    best = std::max(best, done.n_ops / seconds);
    ++run;
  }
  static_cast<void>(sink);
  return best;
}

void multiply(benchmark::State& state, const InstructionSet& set, const Shape3& shape, double peak) {
  const auto& [kind, n_lines, n_columns, n_k] = shape;
  const auto a_values = random_floats(std::int64_t{n_lines} * n_k, 1);
  const auto b_values = random_floats(std::int64_t{n_columns} * n_k, 2);
  const GemmOperand a = kind == Case::kDWeight ? columns_of(a_values.data(), n_k, n_lines, n_lines)
                                               : rows_of(a_values.data(), n_lines, n_k, n_k);
  const GemmOperand b = kind == Case::kForward || kind == Case::kPacked
                            ? rows_of(b_values.data(), n_columns, n_k, n_k)
                            : columns_of(b_values.data(), n_k, n_columns, n_columns);
  const int n_panels = (n_columns + set.gemm_panel_lines - 1) / set.gemm_panel_lines;
  std::vector<float, AlignedAllocator<float>> packed(static_cast<std::size_t>(n_panels) *
                                                     static_cast<std::size_t>(set.gemm_panel_lines * n_k));
  std::vector<float, AlignedAllocator<float>> c(static_cast<std::size_t>(n_lines) *
                                                static_cast<std::size_t>(n_columns));
  set.gemm_pack(b, packed.data());
  const int piece = kind == Case::kPacked ? n_k : std::min(n_k, kGemmPieceOfK);
  for (auto _ : state) {
    for (int k = 0; k < n_k; k += piece) {
      if (kind != Case::kPacked) set.gemm_pack(b.range_of_k(k, piece), packed.data());
      set.gemm({.a = a.range_of_k(k, piece),
                .packed_b = packed.data(),
                .c = c.data(),
                .c_row_step = n_columns,
                .n_columns = n_columns,
                .into = kind == Case::kDWeight || k > 0 ? GemmInto::kAccumulate : GemmInto::kOverwrite});
    }
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  const double operations = 2.0 * n_lines * n_columns * n_k;
  state.counters["GFLOP/s"] = Counter(1e-9 * operations, Counter::kIsIterationInvariantRate);
  state.counters["peak"] = Counter(operations / peak, Counter::kIsIterationInvariantRate);
}

void register_all() {
  for (const InstructionSet* set : usable_instruction_sets()) {
    if (set->isa == "portable" || set->isa == "amx") continue;  // minutes; and AVX-512's kernel again
    const double peak = measure_peak(*set);
    for (const Shape3& shape : kShapes) {
      const std::string size =
          std::to_string(shape.n_lines) + "x" + std::to_string(shape.n_columns) + "x" + std::to_string(shape.n_k);
      const std::string name =
          std::string(kCaseNames[static_cast<int>(shape.kind)]) + "/" + size + "/" + std::string(set->isa);
      benchmark::RegisterBenchmark(name.c_str(), multiply, *set, shape, peak);
    }
  }
}

}  // namespace
}  // namespace r1

int main(int argc, char** argv) {
  r1::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
