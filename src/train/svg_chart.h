// svg_chart.h: a line chart of one figure as SVG text: faint points as they were measured, a smoothed line over them,
// the line's last value written at its end in place of a legend.
//
// 1. Pure: no files, no clock; the same points give the same text.
// 2. The size of the text is bounded by the width, not by the number of points: of the points in one column of pixels,
//    the lowest and the highest are drawn.
// 3. Colours are CSS (chart_css): light and dark as the reader has it. One hue; nothing is told by colour alone.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

struct ChartPoint {
  double x = 0, y = 0;  // not finite, or beyond 1e100: not drawn
};

enum class ChartScale {
  kLinear,
  kShare,        // y is a share: drawn in percent, from 0 to 100
  kLogarithmic,  // where every y is positive and they differ by a factor of 10; else linear
};

struct Chart {
  std::string title;
  std::string x_label = "step";
  double x_high = 0;               // where x ends at least, so that charts beside each other can be compared
  std::vector<ChartPoint> points;  // in any order
  ChartScale scale = ChartScale::kLinear;
  double smoothing = 0.03;        // bandwidth (a Gaussian's deviation) as a share of the x axis
  int width = 320, height = 180;  // CSS pixels; at least 160 by 90
};

std::string svg_chart(const Chart& chart);                           // for a page that has chart_css()
std::string svg_file(std::span<const Chart> charts, int n_columns);  // a file of its own; at least one chart, in a grid
std::string_view chart_css();

// An axis that holds [low, high], its ends and ticks at round numbers. low <= high.
struct ChartAxis {
  double low = 0, high = 1;
  std::vector<double> ticks;
  bool is_logarithmic = false, is_share = false;

  double position(double value) const;  // 0 at low, 1 at high
};
ChartAxis linear_axis(double low, double high, int n_ticks);
ChartAxis logarithmic_axis(double low, double high);  // 0 < low
std::string tick_text(const ChartAxis& axis, double tick);

// Local linear regression (Cleveland 1979) under a Gaussian, at each point's own x: unlike a moving average it does not
// lag, nor does it flatten the ends. O(points^2).
std::vector<ChartPoint> smoothed(std::span<const ChartPoint> points, double bandwidth);

// Text fit for HTML and XML: markup escaped, control characters left out, U+FFFD for what is not UTF-8.
std::string escape_markup(std::string_view text);

}  // namespace r1
