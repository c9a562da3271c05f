// bench_report.h: what `r1 bench` prints: Markdown for people, JSON for programs and for comparing with later.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apps/model_bench.h"
#include "base/result.h"

namespace r1 {

// Median tokens per second of an earlier run, by test and depth.
using EarlierRun = std::map<std::pair<std::string, int>, double>;

// From a file with the --json of a run.
Result<EarlierRun> read_earlier(const std::string& path);

struct BenchReport {
  std::string model, kv;
  MachinePeaks peaks;
  double compute_peak = 0;  // that of the products this model's weights need
  std::vector<BenchRow> rows;
  EarlierRun earlier;  // empty: nothing to compare with

  std::string markdown() const;
  std::string json() const;
};

std::string machine_markdown(const MachinePeaks& peaks);
std::string machine_json(const MachinePeaks& peaks);

}  // namespace r1
