// statistics.h: what is said of repeated measurements.
#pragma once

#include <vector>

namespace r1 {

double median(std::vector<double> values);  // of at least one

}  // namespace r1
