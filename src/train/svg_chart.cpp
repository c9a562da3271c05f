// svg_chart.cpp: from points to axes, columns of pixels, and text.
#include "train/svg_chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "text/utf8.h"

namespace r1 {
namespace {

constexpr double kLargest = 1e100;  // differences and squares of what is drawn stay finite
constexpr int kSmallWidth = 240;    // below it: narrow margins, and no word for x
// Room for the labels of y, and for the last value.
constexpr double kLeft = 42, kRight = 50, kSmallLeft = 28, kSmallRight = 46;
constexpr double kTop = 30, kBottom = 22;  // for the title, and for the labels of x
constexpr double kPixelsPerXTick = 48, kPixelsPerYTick = 34;
constexpr double kLogarithmicFrom = 10;  // ratio of the greatest to the least

bool is_drawable(double value) { return std::abs(value) <= kLargest; }  // false for NaN

// The round step (1, 2 or 5 times a power of ten) of which about n fit into the range.
double round_step(double range, int n) {
  const double rough = range / std::max(1, n);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power * (1 + 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::vector<double> multiples(double step, double low, double high) {
  constexpr int kMost = 40;  // far from 0, adding a step may change nothing
  std::vector<double> ticks;
  const double slack = 1e-6 * step, first = std::ceil((low - slack) / step);
  for (int i = 0; i < kMost && (first + i) * step <= high + slack; ++i) ticks.push_back((first + i) * step);
  return ticks;
}

std::string fixed(double value, int n_decimals) {
  std::string text = fmt::format("{:.{}f}", value, std::clamp(n_decimals, 0, 4));
  const std::size_t end = std::min(text.find('.'), text.size());
  const std::size_t first = text.starts_with('-') ? 1 : 0;
  for (std::size_t i = end; i > first + 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

// "3e-5": short beside an axis.
std::string with_exponent(double value, int n_digits) {
  const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-12));
  return fmt::format("{:.{}g}e{}", value / std::pow(10.0, exponent), n_digits, exponent);
}

struct Unit {
  double size;
  const char* suffix;
};
Unit unit_of(double largest) {
  if (largest >= 1e9) return {1e9, "G"};
  if (largest >= 1e6) return {1e6, "M"};
  if (largest >= 1e4) return {1e3, "k"};
  return {1, ""};
}

// Three digits.
std::string value_text(double value, bool is_share) {
  if (is_share) return fixed(100 * value, std::abs(value) < 0.0995 ? 1 : 0) + " %";
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (size < 1e-3 || size >= 1e13) return with_exponent(value, 3);
  const Unit unit = unit_of(size);
  return fixed(value / unit.size, 2 - static_cast<int>(std::floor(std::log10(size / unit.size) + 1e-9))) + unit.suffix;
}

// What lies in one column of pixels; in pixels.
struct Column {
  int n = 0;
  double sum_x = 0, sum_y = 0, lowest = 0, highest = 0;

  void add(double x, double y) {
    lowest = n == 0 ? y : std::min(lowest, y);
    highest = n == 0 ? y : std::max(highest, y);
    sum_x += x, sum_y += y, ++n;
  }
};

struct Plot {
  const Chart& chart;
  std::vector<ChartPoint> points;  // that can be drawn
  bool is_small;
  double left, top = kTop, width, height;
  ChartAxis x, y;

  explicit Plot(const Chart& c)
      : chart(c),
        is_small(c.width < kSmallWidth),
        left(is_small ? kSmallLeft : kLeft),
        width(c.width - left - (is_small ? kSmallRight : kRight)),
        height(c.height - kTop - kBottom) {
    for (const ChartPoint& point : c.points)
      if (is_drawable(point.x) && is_drawable(point.y)) points.push_back(point);
    if (points.empty()) return;
    const auto by_x = [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; };
    const auto by_y = [](const ChartPoint& a, const ChartPoint& b) { return a.y < b.y; };
    const auto [first, last] = std::minmax_element(points.begin(), points.end(), by_x);
    const auto [least, most] = std::minmax_element(points.begin(), points.end(), by_y);
    x = x_axis(first->x, std::max(last->x, is_drawable(c.x_high) ? c.x_high : last->x));
    y = y_axis(least->y, most->y);
  }

  // Ends where the points end; from 0 where they begin near it.
  ChartAxis x_axis(double low, double high) const {
    if (low >= 0 && low <= 0.5 * high) low = 0;
    if (high - low <= 1e-9 * std::abs(high)) low = high - std::max(1.0, 0.5 * std::abs(high));
    const double step = round_step(high - low, std::max(3, static_cast<int>(width / kPixelsPerXTick)));
    return {.low = low, .high = high, .ticks = multiples(step, low, high)};
  }

  ChartAxis y_axis(double low, double high) const {
    const int n = static_cast<int>(height / kPixelsPerYTick);
    if (chart.scale == ChartScale::kShare) {
      ChartAxis axis = low < 0 || high > 1 ? linear_axis(std::min(low, 0.0), std::max(high, 1.0), n)
                                           : ChartAxis{.low = 0, .high = 1, .ticks = {0, 0.5, 1}};
      axis.is_share = true;
      return axis;
    }
    if (chart.scale == ChartScale::kLogarithmic && low >= 1 / kLargest && high / low >= kLogarithmicFrom) {
      return logarithmic_axis(low, high);
    }
    if (low > 0 && low <= 0.5 * high) low = 0;
    return linear_axis(low, high, n);
  }

  double x_at(double value) const { return left + width * x.position(value); }
  double y_at(double value) const { return top + height * (1 - y.position(value)); }

  std::vector<Column> columns() const {
    std::vector<Column> columns(static_cast<std::size_t>(width) + 1);
    for (const ChartPoint& point : points) {
      const double at = std::clamp(x_at(point.x), left, left + width);
      columns[static_cast<std::size_t>(at - left)].add(at, y_at(point.y));
    }
    std::erase_if(columns, [](const Column& column) { return column.n == 0; });
    return columns;
  }

  // The curve in pixels: what is drawn is smoothed, so on a logarithmic axis the logarithms are.
  std::vector<ChartPoint> curve(const std::vector<Column>& columns) const {
    std::vector<ChartPoint> means;
    means.reserve(columns.size());
    for (const Column& column : columns) means.push_back({column.sum_x / column.n, column.sum_y / column.n});
    std::vector<ChartPoint> curve = smoothed(means, chart.smoothing * width);
    for (ChartPoint& point : curve) point.y = std::clamp(point.y, top, top + height);
    return curve;
  }

  double value_at(double pixel) const {
    const double share = 1 - (pixel - top) / height;
    return y.is_logarithmic ? y.low * std::pow(y.high / y.low, share) : y.low + share * (y.high - y.low);
  }
};

std::string axes(const Plot& plot) {
  std::string svg;
  const double right = plot.left + plot.width, bottom = plot.top + plot.height;
  for (const double tick : plot.y.ticks) {
    const double y = plot.y_at(tick);
    svg += fmt::format(R"(<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/>)", plot.left, y, right);
    svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)", plot.left - 6, y + 4,
                       tick_text(plot.y, tick));
  }
  svg += fmt::format(R"(<path class="axis" d="M{:.1f} {:.1f}H{:.1f}"/>)", plot.left, bottom, right);
  for (const double tick : plot.x.ticks) {
    svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)", plot.x_at(tick), bottom + 15,
                       tick_text(plot.x, tick));
  }
  if (plot.is_small) return svg;
  svg += fmt::format(R"(<text x="{}" y="{:.1f}" text-anchor="end">{}</text>)", plot.chart.width - 2, bottom + 15,
                     escape_markup(plot.chart.x_label));
  return svg;
}

std::string measured(const std::vector<Column>& columns) {
  std::string d;
  for (const Column& column : columns) {
    const double x = column.sum_x / column.n;
    d += fmt::format("M{:.1f} {:.1f}h0", x, column.lowest);
    if (column.n > 1 && column.highest > column.lowest) d += fmt::format("M{:.1f} {:.1f}h0", x, column.highest);
  }
  return fmt::format(R"(<path class="raw" d="{}"/>)", d);
}

std::string lines(const Plot& plot) {
  const std::vector<Column> columns = plot.columns();
  const std::vector<ChartPoint> curve = plot.curve(columns);
  std::string svg = measured(columns), d;
  for (const ChartPoint& point : curve) d += fmt::format("{}{:.1f} {:.1f}", d.empty() ? "M" : "L", point.x, point.y);
  if (curve.size() > 1) svg += fmt::format(R"(<path class="line" d="{}"/>)", d);
  const ChartPoint& end = curve.back();
  svg += fmt::format(R"(<circle class="end" cx="{:.1f}" cy="{:.1f}" r="2.6"/>)", end.x, end.y);
  svg += fmt::format(R"(<text class="value" x="{:.1f}" y="{:.1f}">{}</text>)", end.x + 6, end.y + 4,
                     value_text(plot.value_at(end.y), plot.y.is_share));
  return svg;
}

std::string inner_svg(const Chart& chart) {
  const Plot plot(chart);
  std::string svg = fmt::format(R"(<text class="title" x="2" y="14">{}</text>)", escape_markup(chart.title));
  if (plot.points.empty()) {
    return svg + fmt::format(R"(<text x="{}" y="{}" text-anchor="middle">no values</text>)", chart.width / 2,
                             chart.height / 2);
  }
  return svg + axes(plot) + lines(plot);
}

constexpr std::string_view kCss = R"(
.chart { --line: #2a68b0; --strong: #24272b; --soft: #626970; --rule: #8883; --dots: .36; display: block; font: 11px ui-sans-serif, system-ui, sans-serif; font-variant-numeric: tabular-nums }
@media (prefers-color-scheme: dark) { .chart { --line: #84b4ec; --strong: #e4e5e3; --soft: #a0a6ac; --rule: #aaa3; --dots: .45 } }
.chart text { fill: var(--soft) }
.chart .title { fill: var(--strong); font-size: 12.5px; font-weight: 600 }
.chart .value { fill: var(--line); font-weight: 600 }
.chart path { fill: none }
.chart .grid { stroke: var(--rule) }
.chart .axis { stroke: var(--soft); stroke-opacity: .6 }
.chart .raw { stroke: var(--line); stroke-opacity: var(--dots); stroke-width: 2.4; stroke-linecap: round }
.chart .line { stroke: var(--line); stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round }
.chart .end { fill: var(--line) }
)";

}  // namespace

double ChartAxis::position(double value) const {
  return is_logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
}

ChartAxis linear_axis(double low, double high, int n_ticks) {
  // Round numbers need room for rounding: of nearly equal values, the axis shows that they are.
  const double least = 1e-6 * std::max(std::abs(low), std::abs(high));
  if (high - low <= least) {
    const double margin = high == 0 ? 1 : 0.5 * std::abs(high);
    low -= margin, high += margin;
  }
  const double step = round_step(high - low, n_ticks);
  ChartAxis axis = {
      .low = std::floor(low / step + 1e-6) * step, .high = std::ceil(high / step - 1e-6) * step, .ticks = {}};
  axis.ticks = multiples(step, axis.low, axis.high);
  return axis;
}

ChartAxis logarithmic_axis(double low, double high) {
  ChartAxis axis = {.low = low, .high = high, .ticks = {}, .is_logarithmic = true};
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
  const bool is_short = high <= 100 * low;
  const int every = (last - first + 4) / 5;  // at most six powers of ten
  for (int power = first; power <= last; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor == 1.0 ? (power - first) % every != 0 : !is_short) continue;
      const double tick = factor * std::pow(10.0, power);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) axis.ticks.push_back(tick);
    }
  }
  return axis;
}

std::string tick_text(const ChartAxis& axis, double tick) {
  const double largest = std::max(std::abs(axis.low), std::abs(axis.high));
  const double step = axis.ticks.size() > 1 ? axis.ticks[1] - axis.ticks[0] : largest;
  if (std::abs(tick) < 1e-9 * step) return "0";
  if (axis.is_logarithmic) {
    const Unit unit = unit_of(tick);
    return tick < 1e-3 || tick >= 1e13 ? with_exponent(tick, 1) : fmt::format("{:g}{}", tick / unit.size, unit.suffix);
  }
  const auto decimals = [](double of) { return std::max(0, static_cast<int>(std::ceil(-std::log10(of) - 1e-6))); };
  if (axis.is_share) return fixed(100 * tick, decimals(100 * step));
  const Unit unit = unit_of(largest);
  if (largest >= 1e13 || decimals(step) > 4) return with_exponent(tick, 3);
  if (decimals(step / unit.size) > 2 && unit.size > 1) return fixed(tick, decimals(step));
  return fixed(tick / unit.size, decimals(step / unit.size)) + unit.suffix;
}

std::vector<ChartPoint> smoothed(std::span<const ChartPoint> points, double bandwidth) {
  std::vector<ChartPoint> curve;
  for (const ChartPoint& at : points) {
    double w = 0, wx = 0, wxx = 0, wy = 0, wxy = 0;
    for (const ChartPoint& point : points) {
      const double dx = (point.x - at.x) / bandwidth;
      if (std::abs(dx) > 4) continue;
      const double weight = std::exp(-0.5 * dx * dx);
      w += weight, wx += weight * dx, wxx += weight * dx * dx, wy += weight * point.y, wxy += weight * dx * point.y;
    }
    // Neighbours all at one x have a mean, but no slope.
    const double spread = w * wxx - wx * wx;
    curve.push_back({at.x, spread > 1e-9 * w * w ? (wxx * wy - wx * wxy) / spread : wy / w});
  }
  return curve;
}

std::string svg_chart(const Chart& chart) {
  return fmt::format(R"(<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>)", chart.width,
                     chart.height, escape_markup(chart.title), inner_svg(chart));
}

std::string svg_file(std::span<const Chart> charts, int n_columns) {
  constexpr int kGap = 16;
  int width = 0, height = 0;
  for (const Chart& chart : charts) width = std::max(width, chart.width), height = std::max(height, chart.height);
  const int n = static_cast<int>(charts.size());
  const int across = std::clamp(n, 1, n_columns), down = (n + n_columns - 1) / n_columns;
  const int all_width = across * (width + kGap) - kGap, all_height = down * (height + kGap) - kGap;
  std::string svg = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img"><style>{2}</style>)",
      all_width, all_height, kCss);
  for (int i = 0; i < n; ++i) {
    svg += fmt::format("\n<g transform=\"translate({} {})\">{}</g>", i % n_columns * (width + kGap),
                       i / n_columns * (height + kGap), inner_svg(charts[static_cast<std::size_t>(i)]));
  }
  return svg + "\n</svg>\n";
}

std::string_view chart_css() { return kCss; }

std::string escape_markup(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Unit unit = first_utf8_unit(text);
    const auto n = static_cast<std::size_t>(unit.n_bytes);
    const std::string_view bytes = text.substr(0, n);
    const std::uint32_t c = unit.code_point;
    if (unit.kind != Utf8Unit::Kind::kCharacter || c == 0xFFFE || c == 0xFFFF) {
      out += "\xEF\xBF\xBD";  // also for the two characters that XML does not allow
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n' || c == '\t' || (c >= 0x20 && !(c >= 0x7F && c < 0xA0))) {
      out += bytes;
    }
    text.remove_prefix(n);
  }
  return out;
}

}  // namespace r1
