// svg_chart_test.cpp: axes end and tick at round numbers, and every set of points gives a whole chart.
#include "train/svg_chart.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string ticks_of(const ChartAxis& axis) {
  std::string text;
  for (const double tick : axis.ticks) text += (text.empty() ? "" : " ") + tick_text(axis, tick);
  return text;
}

int count(std::string_view text, std::string_view part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// Every number that a path or an attribute holds is one: no NaN, no infinity; and every element is closed.
void expect_whole(const std::string& svg) {
  EXPECT_TRUE(svg.starts_with("<svg")) << svg;
  EXPECT_EQ(svg.find("nan"), std::string::npos) << svg;
  EXPECT_EQ(svg.find("inf"), std::string::npos) << svg;
  EXPECT_EQ(count(svg, "<text"), count(svg, "</text>")) << svg;
  EXPECT_EQ(count(svg, "<path"), count(svg, "\"/>") - count(svg, "<circle")) << svg;
  EXPECT_EQ(count(svg, "</svg>"), 1) << svg;
}

TEST(SvgChart, LinearAxesEndAndTickAtRoundNumbers) {
  EXPECT_EQ(ticks_of(linear_axis(0, 1, 4)), "0 0.5 1.0");
  EXPECT_EQ(ticks_of(linear_axis(0, 3000, 3)), "0 1,000 2,000 3,000");
  EXPECT_EQ(ticks_of(linear_axis(0, 50'000, 5)), "0 10k 20k 30k 40k 50k");
  EXPECT_EQ(ticks_of(linear_axis(0, 2.5e6, 5)), "0 0.5M 1.0M 1.5M 2.0M 2.5M");
  EXPECT_EQ(ticks_of(linear_axis(0.13, 0.29, 4)), "0.10 0.15 0.20 0.25 0.30");
  EXPECT_EQ(ticks_of(linear_axis(-3, 7, 4)), "-5 0 5 10");
  EXPECT_EQ(ticks_of(linear_axis(0, 0.0025, 4)), "0 0.001 0.002 0.003");
  EXPECT_EQ(ticks_of(linear_axis(0, 3e-5, 3)), "0 1e-5 2e-5 3e-5");
  const ChartAxis axis = linear_axis(0.13, 0.29, 4);
  EXPECT_LE(axis.low, 0.13);
  EXPECT_GE(axis.high, 0.29);
  EXPECT_EQ(axis.position(axis.low), 0);
  EXPECT_EQ(axis.position(axis.high), 1);
}

TEST(SvgChart, AConstantHasRoomAroundIt) {
  for (const double value : {0.0, 1.0, -4.0, 2.5e-3, 1e9}) {
    const ChartAxis axis = linear_axis(value, value, 3);
    EXPECT_LT(axis.low, value);
    EXPECT_GT(axis.high, value);
    EXPECT_GE(axis.ticks.size(), 2u) << value;
  }
}

TEST(SvgChart, LogarithmicAxesTickAtOneTwoFive) {
  EXPECT_EQ(ticks_of(logarithmic_axis(0.2, 7)), "0.2 0.5 1 2 5");
  EXPECT_EQ(ticks_of(logarithmic_axis(1, 100'000)), "1 10 100 1000 10k 100k");
  EXPECT_LE(logarithmic_axis(1e-90, 1e90).ticks.size(), 6u);
  EXPECT_NEAR(logarithmic_axis(1, 100).position(10), 0.5, 1e-12);
}

TEST(SvgChart, EveryScaleHasAFewTicks) {
  for (const double low : {-1e9, -3e4, -17.0, -1e-3, 0.0, 1e-3, 0.7, 41.0, 6e5, 1e9}) {
    for (double range = 1e-3; range < 1e12; range *= 7) {
      const ChartAxis axis = linear_axis(low, low + range, 4);
      EXPECT_GE(axis.ticks.size(), 2u) << low << " " << range;
      EXPECT_LE(axis.ticks.size(), 7u) << low << " " << range;
      EXPECT_LE(axis.low, low + 1e-5 * range);
      EXPECT_GE(axis.high, low + range * (1 - 1e-5));
    }
  }
}

TEST(SvgChart, ALineIsSmoothedToItself) {
  std::vector<ChartPoint> line;
  for (int i = 0; i < 50; ++i) line.push_back({i * 2.0, 3.0 - 0.25 * i});
  const std::vector<ChartPoint> curve = smoothed(line, 9);
  ASSERT_EQ(curve.size(), line.size());
  for (std::size_t i = 0; i < line.size(); ++i) EXPECT_NEAR(curve[i].y, line[i].y, 1e-9) << i;
}

TEST(SvgChart, NoiseIsSmoothedAway) {
  std::vector<ChartPoint> noisy;
  for (int i = 0; i < 100; ++i) noisy.push_back({1.0 * i, i % 2 == 0 ? 1.0 : -1.0});
  for (const ChartPoint& point : smoothed(noisy, 8)) EXPECT_LT(std::abs(point.y), 0.3) << point.x;
}

TEST(SvgChart, NoPointsOnePointAndEqualPointsAreCharts) {
  for (const ChartScale scale : {ChartScale::kLinear, ChartScale::kShare, ChartScale::kLogarithmic}) {
    const std::string none = svg_chart({.title = "none", .points = {}, .scale = scale});
    expect_whole(none);
    EXPECT_NE(none.find("no values"), std::string::npos);
    const std::string one = svg_chart({.title = "one", .points = {{1, 0.25}}, .scale = scale});
    expect_whole(one);
    EXPECT_EQ(count(one, "<circle"), 1);
    EXPECT_EQ(count(one, "class=\"line\""), 0);
    for (const double value : {0.0, 0.5, 1e-7, 12345.0, -3.0}) {
      const Chart constant = {.title = "constant", .points = {{1, value}, {2, value}, {9, value}}, .scale = scale};
      expect_whole(svg_chart(constant));
      EXPECT_EQ(count(svg_chart(constant), "class=\"line\""), 1);
    }
  }
}

TEST(SvgChart, WhatIsNotFiniteIsLeftOut) {
  const std::string only =
      svg_chart({.title = "t", .points = {{1, kNan}, {kInfinity, 2}, {3, -kInfinity}, {4, 1e300}}});
  expect_whole(only);
  EXPECT_NE(only.find("no values"), std::string::npos);
  const std::vector<ChartPoint> without = {{1, 1}, {3, 2}},
                                with = {{1, 1}, {2, kNan}, {3, 2}, {kNan, 5}, {4, kInfinity}};
  EXPECT_EQ(svg_chart({.title = "t", .points = with}), svg_chart({.title = "t", .points = without}));
}

TEST(SvgChart, ExtremesAreWhole) {
  for (const ChartScale scale : {ChartScale::kLinear, ChartScale::kShare, ChartScale::kLogarithmic}) {
    expect_whole(svg_chart({.title = "t", .points = {{-1e100, -1e100}, {1e100, 1e100}}, .scale = scale}));
    expect_whole(svg_chart({.title = "t", .points = {{1e99, 1e-300}, {1.0000000001e99, 1e99}}, .scale = scale}));
    expect_whole(svg_chart({.title = "t", .points = {{-5, 0}, {-5, 0}}, .scale = scale}));
    expect_whole(svg_chart({.title = "t", .points = {{9e15, 1}, {9e15 + 2, 1 + 1e-12}}, .scale = scale}));
  }
}

TEST(SvgChart, ManyPointsMakeAShortTextThatShowsTheirExtremes) {
  Chart chart = {.title = "t", .points = {}};
  for (int i = 0; i < 100'000; ++i) chart.points.push_back({1.0 * i, std::sin(i)});
  chart.points[50'000].y = 9;  // a spike of one step
  const std::string svg = svg_chart(chart);
  expect_whole(svg);
  EXPECT_LT(svg.size(), 20'000u);
  chart.points[50'000].y = 0;
  EXPECT_NE(svg_chart(chart), svg);
  EXPECT_NE(svg.find(">10</text>"), std::string::npos) << "the axis goes to the spike";
}

TEST(SvgChart, TheLastValueStandsAtTheEndOfTheLine) {
  const auto label = [](double value, ChartScale scale) {
    const std::string svg = svg_chart({.title = "t", .points = {{1, value}}, .scale = scale});
    const std::size_t at = svg.find('>', svg.find("class=\"value\"")) + 1;
    return svg.substr(at, svg.find('<', at) - at);
  };
  EXPECT_EQ(label(0.845, ChartScale::kShare), "84 %");
  EXPECT_EQ(label(0.042, ChartScale::kShare), "4.2 %");
  EXPECT_EQ(label(0.2311, ChartScale::kLinear), "0.231");
  EXPECT_EQ(label(158.7, ChartScale::kLinear), "159");
  EXPECT_EQ(label(12'345, ChartScale::kLinear), "12.3k");
  EXPECT_EQ(label(0.0025, ChartScale::kLinear), "0.0025");
  EXPECT_EQ(label(2.5e-5, ChartScale::kLinear), "2.5e-5");
}

TEST(SvgChart, AFileHoldsAGridAndItsOwnColours) {
  const std::vector<Chart> charts(5, Chart{.title = "task", .points = {{1, 1}, {2, 3}}, .width = 200, .height = 100});
  const std::string svg = svg_file(charts, 3);
  EXPECT_NE(svg.find("xmlns="), std::string::npos);
  EXPECT_NE(svg.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_NE(svg.find("width=\"632\" height=\"216\""), std::string::npos) << svg.substr(0, 200);  // 3 x 2, gaps of 16
  EXPECT_EQ(count(svg, "<g "), 5);
}

TEST(SvgChart, TextIsEscaped) {
  EXPECT_EQ(escape_markup("<b a=\"1\">&'\x01\x1b\x7f\n\t答"), "&lt;b a=&quot;1&quot;&gt;&amp;'\n\t答");
  EXPECT_EQ(escape_markup("a\xff\xe7\xad"
                          "b\xe7"),
            "a\uFFFD\uFFFDb\uFFFD");
  EXPECT_EQ(count(svg_chart({.title = "</title><script>", .points = {}}), "<script"), 0);
}

}  // namespace
}  // namespace r1
