// report_test.cpp: a page from what stages leave, whole or not, hostile or not.
#include "train/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "base/file.h"
#include "base/temp_folder_for_tests.h"

namespace r1 {
namespace {

constexpr std::string_view kScores = R"([{"task": "countdown3", "pass@1": 0.3125, "standard_error": 0.02, "pass@n": 0.5,
  "cons@n": 0.4, "format": 1, "ended": 0.99, "length": 123.4, "random_attempt": 0.0213},
  {"task": "chat", "pass@1": 0.9, "standard_error": 0.01, "random_attempt": null}])";

class ReportTest : public testing::Test {
 protected:
  // A stage's folder with one file; a later one for each call, as if it had run after those before.
  void write(const std::string& stage, const std::string& file, std::string_view text) {
    namespace fs = std::filesystem;
    const std::string folder = stage.empty() ? folder_.path() : folder_.path_of(stage);
    fs::create_directories(folder);
    ASSERT_TRUE(write_file_atomically(folder + "/" + file, text).ok());
    fs::last_write_time(folder + "/" + file, fs::file_time_type::clock::now() + std::chrono::seconds(++n_written_));
  }
  StageRecord read_one(const std::string& metrics) {
    write("", "metrics.jsonl", metrics);
    const auto run = read_run(folder_.path());
    EXPECT_TRUE(run.ok());
    return run.ok() && run.value().size() == 1 ? run.value()[0] : StageRecord{};
  }
  std::string page() {
    const Status status = write_report(folder_.path(), folder_.path_of("report.html"), folder_.path_of("svg"));
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
    return status.ok() ? read_file(folder_.path_of("report.html"), 1 << 26).value() : "";
  }

  TempFolder folder_;
  int n_written_ = 0;
};

bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

TEST_F(ReportTest, FiguresComeInTheirOrder) {
  const StageRecord stage = read_one(
      "{\"step\":1,\"tokens\":10,\"seconds\":0.5,\"loss\":7,\"entropy\":6}\n"
      "{\"step\":20,\"tokens\":200,\"seconds\":9.5,\"loss\":5,\"entropy\":4}\n");
  ASSERT_EQ(stage.figures.size(), 2u);
  EXPECT_EQ(stage.figures[0].name, "loss");
  EXPECT_EQ(stage.figures[1].name, "entropy");
  ASSERT_EQ(stage.figures[0].points.size(), 2u);
  EXPECT_EQ(stage.figures[0].points[1].x, 20);
  EXPECT_EQ(stage.figures[0].points[1].y, 5);
  EXPECT_EQ(stage.tokens, 200);
  EXPECT_TRUE(stage.notes.empty());
}

TEST_F(ReportTest, ALineThatIsBeingWrittenIsNotThereYet) {
  // "loss": 7 of what may become 7.25.
  const StageRecord stage = read_one("{\"step\":1,\"loss\":8}\n{\"step\":2,\"loss\":7");
  ASSERT_EQ(stage.figures.size(), 1u);
  EXPECT_EQ(stage.figures[0].points.size(), 1u);
  EXPECT_TRUE(stage.notes.empty());
}

TEST_F(ReportTest, DamagedLinesAreCountedAndLeftOut) {
  const StageRecord stage =
      read_one("{\"step\":1,\"loss\":8}\n\n[1]\n{\"loss\":1}\n{\"step\":\"x\"}\nnull\n{\"step\":1e999}\n" +
               std::string(70'000, 'x') + "\n" + std::string(5'000, '[') +
               "\n{\"step\":2,\"loss\":null,\"text\":\"a\"}\n{\"step\":3,\"loss\":6}\n");
  ASSERT_EQ(stage.figures.size(), 1u);
  EXPECT_EQ(stage.figures[0].points.size(), 2u);  // null is what JSON makes of NaN
  ASSERT_EQ(stage.notes.size(), 1u);
  EXPECT_TRUE(holds(stage.notes[0], "7 lines")) << stage.notes[0];
  EXPECT_TRUE(holds(page(), "7 lines"));
}

TEST_F(ReportTest, NothingYetIsAPage) {
  EXPECT_TRUE(read_one("").figures.empty());
  EXPECT_TRUE(holds(page(), "</html>"));
}

TEST_F(ReportTest, LongRunsAreThinnedEvenlyAndKeepTheirEnd) {
  std::string metrics;
  for (int step = 1; step <= 50'001; ++step) metrics += fmt::format("{{\"step\":{},\"loss\":{}}}\n", step, 1.0 / step);
  const StageRecord stage = read_one(metrics);
  ASSERT_EQ(stage.figures.size(), 1u);
  const std::vector<ChartPoint>& points = stage.figures[0].points;
  EXPECT_GT(points.size(), 10'000u);
  EXPECT_LE(points.size(), 20'000u);
  EXPECT_EQ(points.front().x, 1);
  EXPECT_EQ(points.back().x, 50'001);
  for (std::size_t i = 2; i + 1 < points.size(); ++i)
    ASSERT_EQ(points[i].x - points[i - 1].x, points[1].x - points[0].x);
}

TEST_F(ReportTest, StagesStandInTheOrderOfTheirRunning) {
  write("sft", "metrics.jsonl", "{\"step\":1,\"loss\":8}\n");
  write("grpo", "metrics.jsonl", "{\"step\":1,\"reward\":0.1}\n");
  write("grpo-scores", "scores.json", kScores);
  write("distill", "metrics.jsonl", "{\"step\":1,\"loss\":8}\n");
  write("notes", "todo.txt", "");
  const auto run = read_run(folder_.path());
  ASSERT_TRUE(run.ok());
  std::string names;
  for (const StageRecord& stage : run.value()) names += stage.name + " ";
  const std::string html = page();
  EXPECT_TRUE(holds(html, "<h2>grpo</h2>") && !holds(html, "<h2>grpo-scores</h2>")) << "it only evaluates";
  EXPECT_TRUE(holds(html, "<th>grpo</th>")) << "a column of the scores";
  EXPECT_EQ(names, "sft grpo grpo-scores distill ");
}

TEST_F(ReportTest, ScoresStandBesideThoseBefore) {
  write("sft", "metrics.jsonl", "{\"step\":1,\"loss\":8}\n");
  write("sft", "scores.json", kScores);
  write("grpo", "metrics.jsonl", "{\"step\":1,\"reward\":0.1}\n");
  write("grpo", "scores.json", R"([{"task": "countdown3", "pass@1": 0.5, "standard_error": 0.02},
    {"task": "chat", "pass@1": 0.89, "standard_error": 0.01}])");
  write("grpo", "scores-greedy.json", R"([{"task": "chat", "pass@1": 0.95}])");
  const std::string html = page();
  EXPECT_TRUE(holds(html, "<td class=\"chance\">2.1</td><td><b>31.2</b> <small>±2.0</small><span class=\"bar\">"));
  EXPECT_TRUE(holds(html, "<b>50.0</b> <small>±2.0</small> <span class=\"change clear\">+18.8</span>"));
  EXPECT_TRUE(holds(html, "<b>89.0</b> <small>±1.0</small> <span class=\"change\">−1.0</span>"));
  EXPECT_TRUE(holds(html, "<h3>greedy</h3>"));
  EXPECT_TRUE(holds(html, "<td>40.0</td><td>50.0</td><td>100.0</td><td>99.0</td><td>123</td>"));
}

TEST_F(ReportTest, AnEvaluationThatIsBeingWrittenIsSaidToBeUnreadable) {
  write("sft", "scores.json", "");
  write("grpo", "scores.json", "{}");
  write("pretrain", "scores.json", R"([{"task": 7}])");
  const std::string html = page();
  EXPECT_TRUE(holds(html, "an evaluation is a JSON array"));
  EXPECT_TRUE(holds(html, "task"));
  int n_notes = 0;
  for (std::size_t at = html.find("class=\"note\""); at != std::string::npos; at = html.find("class=\"note\"", at + 1))
    ++n_notes;
  EXPECT_EQ(n_notes, 3);
}

TEST_F(ReportTest, SamplesAreTheFirstAndTheLast) {
  std::string samples;
  for (int step = 50; step <= 5'000; step += 50) {
    samples += fmt::format("==== step {}\n---- letters: <b>{}?\n{}\n[reward 1.10]\n---- chat: Hi\nHello\n\n", step,
                           step, std::string(100, 'x'));
  }
  write("", "metrics.jsonl", "");
  write("", "samples.txt", samples);
  const auto run = read_run(folder_.path());
  ASSERT_TRUE(run.ok());
  ASSERT_EQ(run.value()[0].samples.size(), 2u);
  EXPECT_EQ(run.value()[0].samples[0].step, "50");
  EXPECT_EQ(run.value()[0].samples[1].step, "5000");
  const std::string html = page();
  EXPECT_TRUE(holds(html, "<p class=\"ask\">letters: &lt;b&gt;5000?</p><pre>xxx"));
  EXPECT_TRUE(holds(html, "<p class=\"ask\">chat: Hi</p><pre>Hello"));
}

TEST_F(ReportTest, NothingFromAFileBecomesMarkup) {
  const std::string hostile = "<script>alert(1)</script>";
  const std::string name = "a\\\"><img src=x>&";  // as JSON
  write("<i>stage&", "metrics.jsonl",
        fmt::format("{{\"step\":1,\"{0}\":1,\"accuracy_{0}\":1,\"{1}\":2}}\n", name, hostile));
  write("<i>stage&", "scores.json", fmt::format("[{{\"task\":\"{}\",\"pass@1\":2}}]", hostile));
  write("<i>stage&", "scores-<u>.json", fmt::format("[{{\"task\":\"{}\",\"pass@1\":-1}}]", hostile));
  write("<i>stage&", "samples.txt", fmt::format("==== step {0}\n---- {0}\n{0}\n\x01\xff", hostile));
  const std::string html = page();
  for (const char* part : {"<script", "<img", "<i>stage", "<u>", "\x01", "\xff"})
    EXPECT_FALSE(holds(html, part)) << part;
  EXPECT_TRUE(holds(html, "&lt;script&gt;alert(1)"));
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path_of("svg"))) {
    const std::string svg = read_file(entry.path().string(), 1 << 20).value();
    EXPECT_FALSE(holds(svg, "<img") || holds(svg, "<script")) << svg;
  }
}

TEST_F(ReportTest, ChartsAreWrittenAlone) {
  write("grpo", "metrics.jsonl",
        "{\"step\":1,\"reward\":0.5,\"accuracy\":0.4,\"accuracy_chat\":1,\"accuracy_logic\":0}\n");
  page();
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path_of("svg")))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"grpo-accuracy.svg", "grpo-reward.svg", "grpo-tasks.svg"}));
  const std::string tasks = read_file(folder_.path_of("svg/grpo-tasks.svg"), 1 << 20).value();
  EXPECT_TRUE(holds(tasks, ">chat</text>") && holds(tasks, ">logic</text>")) << tasks;
}

TEST_F(ReportTest, AFolderWithoutStagesIsAnErrorThatNamesIt) {
  const auto none = read_run(folder_.path());
  ASSERT_FALSE(none.ok());
  EXPECT_TRUE(holds(none.error().message, folder_.path()) && holds(none.error().message, "metrics.jsonl"));
  const auto missing = read_run(folder_.path_of("nowhere"));
  ASSERT_FALSE(missing.ok());
  EXPECT_TRUE(holds(missing.error().message, "nowhere"));
  write("", "metrics.jsonl", "");
  EXPECT_FALSE(write_report(folder_.path(), folder_.path_of("no/such/page.html"), "").ok());
}

}  // namespace
}  // namespace r1
