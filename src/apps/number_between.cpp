// number_between.cpp: a comparison that not-a-number fails.
#include "apps/number_between.h"

#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace r1 {

CLI::Validator number_between(double low, double high) {
  const auto problem = [=](const std::string& text) {
    double value = 0;
    const bool fits = CLI::detail::lexical_cast(text, value) && value >= low && value <= high;
    return fits ? std::string() : fmt::format("{} is not a number from {} to {}", text, low, high);
  };
  return {problem, fmt::format("{} to {}", low, high)};
}

}  // namespace r1
