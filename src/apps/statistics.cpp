// statistics.cpp: order statistics by sorting.
#include "apps/statistics.h"

#include <algorithm>

#include "base/assert.h"

namespace r1 {

double median(std::vector<double> values) {
  R1_ASSERT(!values.empty(), "a median of something");
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace r1
