// kernels_bench.cpp: every product of every instruction set this CPU has, on one thread.
//
// Names are CASE/FORMAT/SET, for --benchmark_filter. Cases:
//   decode         one token, weights from memory (256 MB): GB of weights a second, against the machine's read
//   bandwidth decode_cached  one token, weights in the L2 cache: what the instructions allow when memory doesn't limit
//   prefill        512 tokens: GOP/s (a multiplication and an addition are two)
//   few            8 tokens, as an expert gets them: GOP/s
// Times are the thread's CPU time: the machine may be shared.
#include <benchmark/benchmark.h>

#include <string>

#include "kernels/instruction_set.h"
#include "kernels/kernel_fixtures.h"

namespace r1 {
namespace {

struct Case {
  const char* name;
  std::int64_t weight_bytes;
  int n_cols, n_tokens;
};
constexpr Case kCases[] = {
    {"decode", std::int64_t{256} << 20, 4096, 1},
    {"decode_cached", std::int64_t{192} << 10, 4096, 1},
    {"prefill", std::int64_t{2} << 20, 4096, 512},
    {"few", std::int64_t{2} << 20, 4096, 8},
};

// Many rows of weights, of which only the first few are different: random numbers take longer than the benchmark.
Bytes repeated_weights(Dtype dtype, int n_rows, int n_cols) {
  const std::int64_t row_bytes = bytes_of(dtype, n_cols);
  const int n_different = std::min(n_rows, 32);
  const auto rows = random_weights(dtype, std::int64_t{n_different} * n_cols);
  Bytes bytes(static_cast<std::size_t>(n_rows * row_bytes));
  for (int row = 0; row < n_rows; ++row) {
    std::copy_n(rows.begin() + row % n_different * row_bytes, row_bytes, bytes.begin() + row * row_bytes);
  }
  return bytes;
}

void multiply(benchmark::State& state, const InstructionSet& set, Dtype dtype, const Case& c) {
  const std::int64_t row_bytes = bytes_of(dtype, c.n_cols);
  const int n_rows = static_cast<int>(std::max<std::int64_t>(8, c.weight_bytes / row_bytes));
  const auto weights = repeated_weights(dtype, n_rows, c.n_cols);
  const auto x = quantized_activations(dtype, random_floats(std::int64_t{c.n_tokens} * c.n_cols, 1), c.n_tokens);
  const auto scales = random_floats((n_rows / 128 + 1) * (c.n_cols / 128), 2);
  std::vector<float> y(static_cast<std::size_t>(n_rows) * static_cast<std::size_t>(c.n_tokens));
  const MatmulArgs args{.w = weights.data(),
                        .w_row_bytes = row_bytes,
                        .block_scales = scales.data(),
                        .x = x.bytes.data(),
                        .x_row_bytes = x.row_bytes,
                        .y = y.data(),
                        .y_stride = n_rows,
                        .n_rows = n_rows,
                        .n_cols = c.n_cols,
                        .n_tokens = c.n_tokens};
  for (auto _ : state) {
    set.matmul[static_cast<int>(dtype)](args);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  const double products = 2e-9 * n_rows * c.n_cols * c.n_tokens;
  state.counters["GB/s"] = Counter(1e-9 * static_cast<double>(weights.size()), Counter::kIsIterationInvariantRate);
  state.counters["GOP/s"] = Counter(products, Counter::kIsIterationInvariantRate);
}

void quantize(benchmark::State& state, const InstructionSet& set, ActivationFormat format) {
  const auto x = random_floats(4096, 1);
  Bytes row(static_cast<std::size_t>(activation_row_bytes(format, 4096)));
  for (auto _ : state) {
    set.quantize_activation(format, x.data(), row.data(), 4096);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * 4096);
}

// The rows of values of attention: 512 columns, a thousand positions, for 16 heads at once.
void accumulate(benchmark::State& state, const InstructionSet& set, Dtype dtype, int n_tokens) {
  constexpr int kRows = 1024, kCols = 512;
  const auto w = random_weights(dtype, kRows * kCols);
  const auto x = random_floats(n_tokens * kRows, 1);
  std::vector<float> y(static_cast<std::size_t>(n_tokens) * kCols);
  const AccumulateArgs args{.w = w.data(),
                            .w_row_bytes = bytes_of(dtype, kCols),
                            .dtype = dtype,
                            .x = x.data(),
                            .x_stride = kRows,
                            .y = y.data(),
                            .y_stride = kCols,
                            .n_rows = kRows,
                            .n_cols = kCols,
                            .n_tokens = n_tokens};
  for (auto _ : state) {
    set.accumulate_rows(args);
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  state.counters["GOP/s"] = Counter(2e-9 * kRows * kCols * n_tokens, Counter::kIsIterationInvariantRate);
}

void silu(benchmark::State& state, const InstructionSet& set) {
  const auto gate = random_floats(4096, 1), up = random_floats(4096, 2);
  std::vector<float> y(4096);
  for (auto _ : state) {
    set.silu_mul(gate.data(), up.data(), y.data(), 4096);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * 4096);
}

std::string name_of(std::string_view what, std::string_view format, const InstructionSet& set) {
  return std::string(what).append("/").append(format).append("/").append(set.isa);
}

void register_all() {
  for (const InstructionSet* set : usable_instruction_sets()) {
    for (const Case& c : kCases) {
      if (set->isa == "portable" && c.n_tokens > 1) continue;  // would take minutes and tell nothing
      for (const Dtype dtype : kMultipliedDtypes) {
        benchmark::RegisterBenchmark(name_of(c.name, traits(dtype).name, *set).c_str(), multiply, *set, dtype, c);
      }
    }
    if (set->isa == "portable") continue;
    for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
      benchmark::RegisterBenchmark(name_of("accumulate_1", traits(dtype).name, *set).c_str(), accumulate, *set, dtype,
                                   1);
      benchmark::RegisterBenchmark(name_of("accumulate_16", traits(dtype).name, *set).c_str(), accumulate, *set, dtype,
                                   16);
    }
    benchmark::RegisterBenchmark(name_of("quantize", "Q8_32", *set).c_str(), quantize, *set, ActivationFormat::kQ8_32);
    benchmark::RegisterBenchmark(name_of("quantize", "Q8_256", *set).c_str(), quantize, *set,
                                 ActivationFormat::kQ8_256);
    benchmark::RegisterBenchmark(name_of("silu_mul", "F32", *set).c_str(), silu, *set);
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
