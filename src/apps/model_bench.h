// model_bench.h: how fast a model's forward runs: prefill and decode at depths, against this machine's limits.
#pragma once

#include <string>
#include <vector>

#include "apps/machine_peaks.h"
#include "model/weights.h"
#include "ops/profile.h"

namespace r1 {

struct BenchPlan {
  int n_prefill = 512, n_decode = 128;  // 0: not measured
  int n_repeats = 5;
  int n_streams = 1;  // sequences that decode together
  int n_threads = 1;
  ThreadPool::Placement placement = ThreadPool::Placement::kFree;
  int max_rows = 512;    // rows of a prefill pass
  bool profile = false;  // one more run of each test, timed op by op
  Dtype kv_dtype = Dtype::kF16;
  std::vector<int> depths = {0};  // tokens in the cache before
};

struct BenchRow {
  std::string test;  // "prefill 512", "decode 128"
  int depth = 0;
  std::vector<double> tokens_per_s;  // of each repeat
  double bytes_per_token = 0;        // decode: weights and cache read; streams share the weights, experts as if all met
  double ops_per_token = 0;          // prefill: two per multiplication and addition
  bool is_decode = false;
  std::vector<OpTotal> ops;  // of the profiled run; the logits' rows and what the ops leave between them are not in it
  double profiled_seconds = 0;

  double median_tokens_per_s() const;
  double bytes_per_s() const { return bytes_per_token * median_tokens_per_s(); }
  double ops_per_s() const { return ops_per_token * median_tokens_per_s(); }
};

// Each row is measured after one run that is not counted. Token ids are arbitrary: the time does not depend on them,
// except that a mixture of experts picks its experts by them.
std::vector<BenchRow> run_bench(const Model& model, const BenchPlan& plan);

// Multiplications and additions of the matrices for one token, without the head; of the routed experts the activated
// share.
double matrix_ops_per_token(const Model& model);

}  // namespace r1
