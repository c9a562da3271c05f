// report.cpp: the page, from its head down.
#include "train/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "base/file.h"

namespace r1 {
namespace {

constexpr std::string_view kTaskPrefix = "accuracy_";
constexpr std::size_t kMaxSampleBytes = 1200, kMaxSampleAnswers = 3;

struct FigureKind {
  std::string_view name, title;
  ChartScale scale;
  double smoothing = 0.03;  // share of the x axis
};
// What train/supervised_steps.cpp, train/grpo_steps.cpp and train/reject_steps.cpp report.
constexpr FigureKind kFigures[] = {
    {"loss", "Loss, nats per token", ChartScale::kLogarithmic},
    {"next_token_accuracy", "Next token right", ChartScale::kShare},
    {"entropy", "Entropy, nats per token", ChartScale::kLogarithmic},
    {"gradient_norm", "Gradient norm", ChartScale::kLogarithmic},
    {"learning_rate", "Learning rate", ChartScale::kLinear, 0.001},  // has no noise, but corners,
    {"max_violation", "Expert load: worst over mean, less 1", ChartScale::kLinear},
    {"mtp_loss", "Loss of the token after the next, nats per token", ChartScale::kLogarithmic},
    {"mtp_accuracy", "Token after the next right", ChartScale::kShare},
    {"reward", "Reward", ChartScale::kLinear},
    {"accuracy", "Answers that are right", ChartScale::kShare},
    {"format", "Answers in the format", ChartScale::kShare},
    {"ended", "Answers that end", ChartScale::kShare},
    {"length", "Length of answers, tokens", ChartScale::kLinear},
    {"informative", "Groups that differ in reward", ChartScale::kShare},
    {"right", "Answers that are right", ChartScale::kShare},
    {"kept", "Answers kept", ChartScale::kShare},
};

bool is_of_a_task(const FigureRecord& figure) { return figure.name.starts_with(kTaskPrefix); }

Chart chart_of(const FigureRecord& figure, const StageRecord& stage) {
  Chart chart = {.title = figure.name, .x_high = stage.step, .points = figure.points};
  if (is_of_a_task(figure)) {
    chart.title = figure.name.substr(kTaskPrefix.size());
    chart.scale = ChartScale::kShare;
    chart.smoothing = 0.12;  // a step has but a few problems of one task
    chart.width = 184, chart.height = 124;
    return chart;
  }
  for (const FigureKind& kind : kFigures) {
    if (kind.name != figure.name) continue;
    chart.title = kind.title;
    chart.scale = kind.scale;
    chart.smoothing = kind.smoothing;
  }
  return chart;
}

// Figures of the stage as a whole, or those of single tasks, by name.
std::vector<const FigureRecord*> figures_of(const StageRecord& stage, bool (*wanted)(const FigureRecord&)) {
  std::vector<const FigureRecord*> figures;
  for (const FigureRecord& figure : stage.figures)
    if (wanted(figure)) figures.push_back(&figure);
  return figures;
}
std::vector<const FigureRecord*> stage_figures(const StageRecord& stage) {
  return figures_of(stage, [](const FigureRecord& figure) { return !is_of_a_task(figure); });
}
std::vector<const FigureRecord*> task_figures(const StageRecord& stage) {
  std::vector<const FigureRecord*> figures = figures_of(stage, is_of_a_task);
  std::sort(figures.begin(), figures.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  return figures;
}

std::string count_text(double count) {
  if (count >= 1e9) return fmt::format("{:.2f} billion", count / 1e9);
  if (count >= 1e6) return fmt::format("{:.1f} million", count / 1e6);
  std::string text = fmt::format("{:.0f}", count);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string time_text(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  if (seconds < 5400) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

// One that only evaluates stands among the scores.
bool has_section(const StageRecord& stage) {
  return stage.evaluations.empty() || !stage.figures.empty() || !stage.samples.empty() || !stage.notes.empty();
}

std::string anchor(std::size_t stage) { return fmt::format("stage-{}", stage + 1); }

// ---- scores -------------------------------------------------------------------------------------------------------

struct ScoreColumn {
  std::string stage;
  const EvaluationRecord* evaluation;

  const ScoreRecord* score_of(const std::string& task) const {
    for (const ScoreRecord& score : evaluation->scores)
      if (score.task == task) return &score;
    return nullptr;
  }
};

// A recipe evaluates stage X in a folder of its own, X-scores (train/recipes.cpp).
std::string scored_name(const StageRecord& stage) {
  constexpr std::string_view kEnd = "-scores";
  const std::string_view name = stage.name;
  return std::string(name.ends_with(kEnd) && name.size() > kEnd.size() ? name.substr(0, name.size() - kEnd.size())
                                                                       : name);
}

std::string chance_cell(const ScoreRecord& score) {
  return score.random_attempt ? fmt::format("<td class=\"chance\">{:.1f}</td>", 100 * *score.random_attempt)
                              : std::string("<td class=\"chance\">–</td>");
}

std::string pass_cell(const ScoreRecord* score, const ScoreRecord* before) {
  if (score == nullptr) return "<td>–</td>";
  std::string change;
  if (before != nullptr) {
    const double points = 100 * (score->pass_at_1 - before->pass_at_1);
    const bool is_clear = std::abs(points) > 200 * std::hypot(score->standard_error, before->standard_error);
    change = fmt::format(" <span class=\"change{}\">{}{:.1f}</span>", is_clear ? " clear" : "", points < 0 ? "−" : "+",
                         std::abs(points));
  }
  return fmt::format(
      "<td><b>{:.1f}</b> <small>±{:.1f}</small>{}<span class=\"bar\"><i style=\"width:{:.1f}%\"></i></span></td>",
      100 * score->pass_at_1, 100 * score->standard_error, change, 100 * std::clamp(score->pass_at_1, 0.0, 1.0));
}

std::vector<std::string> tasks_of(std::span<const ScoreColumn> columns) {
  std::vector<std::string> tasks;
  for (const ScoreColumn& column : columns) {
    for (const ScoreRecord& score : column.evaluation->scores) {
      if (std::find(tasks.begin(), tasks.end(), score.task) == tasks.end()) tasks.push_back(score.task);
    }
  }
  return tasks;
}

std::string table_row(const std::string& task, std::span<const ScoreColumn> columns) {
  std::string chance = "<td class=\"chance\">–</td>", cells;
  const ScoreRecord* before = nullptr;
  for (const ScoreColumn& column : columns) {
    const ScoreRecord* score = column.score_of(task);
    cells += pass_cell(score, before);
    if (score == nullptr) continue;
    before = score;
    if (score->random_attempt) chance = chance_cell(*score);
  }
  return fmt::format("<tr><th scope=\"row\">{}</th>{}{}</tr>\n", escape_markup(task), chance, cells);
}

std::string comparison_table(const std::string& name, std::span<const ScoreColumn> columns) {
  std::string html = name.empty() ? "<div>" : fmt::format("<div><h3>{}</h3>", escape_markup(name));
  html += "<div class=\"wide\"><table class=\"scores\"><thead><tr><th>task</th><th>chance</th>";
  for (const ScoreColumn& column : columns) html += fmt::format("<th>{}</th>", escape_markup(column.stage));
  html += "</tr></thead><tbody>\n";
  for (const std::string& task : tasks_of(columns)) html += table_row(task, columns);
  return html + "</tbody></table></div></div>\n";
}

std::string evaluation_table(const ScoreColumn& column) {
  const std::string& name = column.evaluation->name;
  std::string html = fmt::format(
      "<h3>{}{}{}</h3><div class=\"wide\"><table><thead><tr><th>task</th><th>pass@1</th>"
      "<th>chance</th><th>cons@n</th><th>pass@n</th><th>format</th><th>ended</th><th>length</th></tr></thead><tbody>\n",
      escape_markup(column.stage), name.empty() ? "" : ", ", escape_markup(name));
  for (const ScoreRecord& s : column.evaluation->scores) {
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td><b>{:.1f}</b> <small>±{:.1f}</small></td>{}<td>{:.1f}</td><td>{:.1f}</td>"
        "<td>{:.1f}</td><td>{:.1f}</td><td>{:.0f}</td></tr>\n",
        escape_markup(s.task), 100 * s.pass_at_1, 100 * s.standard_error, chance_cell(s), 100 * s.majority,
        100 * s.pass_at_n, 100 * s.format, 100 * s.ended, s.length);
  }
  return html + "</tbody></table></div>\n";
}

// One table for each kind of evaluation, with a column for each stage that has it.
std::string scores_html(std::span<const StageRecord> stages) {
  std::vector<std::pair<std::string, std::vector<ScoreColumn>>> tables;
  for (const StageRecord& stage : stages) {
    for (const EvaluationRecord& evaluation : stage.evaluations) {
      auto table = std::find_if(tables.begin(), tables.end(), [&](auto& t) { return t.first == evaluation.name; });
      if (table == tables.end()) table = tables.insert(tables.end(), {evaluation.name, {}});
      table->second.push_back({scored_name(stage), &evaluation});
    }
  }
  if (tables.empty()) return "";
  std::string html =
      "<section><h2>Scores</h2>\n<p class=\"soft\">pass@1 on held-out problems, in percent, ± its standard error; "
      "<i>chance</i>: one random legal attempt. A change against the column before is bold where it is more than two "
      "standard errors.</p>\n<div class=\"tables\">\n";
  for (const auto& [name, columns] : tables) html += comparison_table(name, columns);
  html += "</div>\n<details><summary>Also cons@n, pass@n, format, length</summary>\n";
  for (const auto& [name, columns] : tables) {
    for (const ScoreColumn& column : columns) html += evaluation_table(column);
  }
  return html + "</details></section>\n";
}

// ---- samples ------------------------------------------------------------------------------------------------------

std::string shortened(std::string_view text) {
  if (text.size() <= kMaxSampleBytes) return std::string(text);
  std::size_t end = kMaxSampleBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return std::string(text.substr(0, end)) + " […]";
}

// Answers begin with a line "---- TASK: PROMPT".
std::string sample_html(const SampleRecord& sample) {
  constexpr std::string_view kMark = "---- ";
  std::string html = fmt::format("<div class=\"sample\"><h4>step {}</h4>\n", escape_markup(sample.step));
  std::string_view rest = sample.text;
  for (std::size_t n = 0; n < kMaxSampleAnswers && !rest.empty(); ++n) {
    std::size_t end = rest.find("\n" + std::string(kMark));
    end = end == std::string_view::npos ? rest.size() : end + 1;
    std::string_view answer = rest.substr(0, end);
    rest.remove_prefix(end);
    if (answer.starts_with(kMark)) {
      const std::size_t line = std::min(answer.find('\n'), answer.size());
      html += fmt::format("<p class=\"ask\">{}</p>", escape_markup(answer.substr(kMark.size(), line - kMark.size())));
      answer.remove_prefix(std::min(line + 1, answer.size()));
    }
    html += fmt::format("<pre>{}</pre>\n", escape_markup(shortened(answer)));
  }
  return html + "</div>\n";
}

std::string samples_html(const StageRecord& stage) {
  if (stage.samples.empty()) return "";
  std::string html = "<h3>What the model wrote</h3>\n<div class=\"samples\">\n";
  for (const SampleRecord& sample : stage.samples) html += sample_html(sample);
  return html + "</div>\n";
}

// ---- the page -----------------------------------------------------------------------------------------------------

std::string charts_html(const StageRecord& stage, const std::vector<const FigureRecord*>& figures,
                        std::string_view css_class) {
  if (figures.empty()) return "";
  std::string html = fmt::format("<div class=\"{}\">\n", css_class);
  for (const FigureRecord* figure : figures)
    html += fmt::format("<div>{}</div>\n", svg_chart(chart_of(*figure, stage)));
  return html + "</div>\n";
}

std::string stage_html(const StageRecord& stage, std::size_t i) {
  std::string html = fmt::format("<section id=\"{}\"><h2>{}</h2>\n", anchor(i), escape_markup(stage.name));
  if (stage.step > 0) {
    html += fmt::format("<p class=\"soft\">step {} · {} tokens · {}</p>\n", count_text(stage.step),
                        count_text(stage.tokens), time_text(stage.seconds));
  }
  for (const std::string& note : stage.notes) html += fmt::format("<p class=\"note\">{}</p>\n", escape_markup(note));
  html += charts_html(stage, stage_figures(stage), "charts");
  const std::vector<const FigureRecord*> tasks = task_figures(stage);
  if (!tasks.empty()) html += "<h3>Right answers, task by task</h3>\n" + charts_html(stage, tasks, "small charts");
  return html + samples_html(stage) + "</section>\n";
}

std::string contents(std::span<const StageRecord> stages) {
  if (stages.size() < 2) return "";
  std::string html = "<nav aria-label=\"Stages\"><ol>\n";
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const StageRecord& stage = stages[i];
    if (!has_section(stage)) continue;
    html += fmt::format("<li><a href=\"#{}\">{}</a>", anchor(i), escape_markup(stage.name));
    if (stage.step > 0)
      html += fmt::format(" <small>{} steps, {}</small>", count_text(stage.step), time_text(stage.seconds));
    html += "</li>\n";
  }
  return html + "</ol></nav>\n";
}

constexpr std::string_view kPageCss = R"(
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --raised: #ffffff; --edge: #e3dfd8; --ink: #24272b; --quiet: #5f656c; --accent: #2a68b0; --wash: #e8edf4;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #17191c; --raised: #1e2125; --edge: #31363c; --ink: #e4e5e3; --quiet: #a5aab0; --accent: #84b4ec; --wash: #2b333d; }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem max(1rem, 3vw) 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", sans-serif;
  -webkit-text-size-adjust: 100%; overflow-wrap: break-word }
h1, h2, h3, h4 { line-height: 1.2; letter-spacing: -.015em; font-weight: 650; margin: 0 }
h1 { font-size: clamp(1.6rem, 5vw, 2.1rem) }
h2 { font-size: 1.35rem } h3 { font-size: 1.02rem; margin: 1.6rem 0 .7rem } h4 { font-size: .85rem; color: var(--quiet); font-weight: 500; letter-spacing: 0 }
header p { margin: 0 0 .2rem; color: var(--quiet); font-size: .9rem }
section { margin-top: 2.4rem; padding-top: 1.4rem; border-top: 1px solid var(--edge) }
p { margin: .3rem 0 1rem; max-width: 46rem } .soft, small { color: var(--quiet) } .soft { font-size: .92rem } small { font-size: .82em }
.note { color: var(--quiet); font-size: .88rem; border-left: 3px solid var(--edge); padding-left: .7rem }
a { color: var(--accent) }
nav ol { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: .9rem 0 0; padding: 0; list-style: none }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)) }
.small.charts { gap: .7rem; grid-template-columns: repeat(auto-fill, minmax(9.8rem, 1fr)) }
.charts > div { background: var(--raised); border: 1px solid var(--edge); border-radius: .6rem; padding: .7rem .6rem .5rem .8rem; min-width: 0 }
.small.charts > div { padding: .5rem .2rem .35rem .5rem }
.chart { width: 100%; height: auto }
.tables { display: flex; flex-wrap: wrap; align-items: end; gap: 0 3rem } .tables > div { min-width: 0 } .tables h3 { margin: 1.6rem 0 .4rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .93rem }
th { font-weight: 500; text-align: left } thead th { color: var(--quiet); font-size: .85rem; vertical-align: bottom }
th, td { padding: .36rem 1.5rem .36rem 0; border-bottom: 1px solid var(--edge); white-space: nowrap }
tbody th { position: sticky; left: 0; background: var(--paper) }
td, thead th + th { text-align: right } .scores td:nth-child(n + 3), .scores thead th:nth-child(n + 3) { text-align: left; min-width: 10.5rem }
td b { font-weight: 600 } .chance, .change { color: var(--quiet) } .change { font-size: .82em; margin-left: .35em }
.change.clear { color: var(--ink); font-weight: 650 }
.bar { display: block; height: 3px; margin-top: .22rem; border-radius: 2px; background: var(--wash) }
.bar i { display: block; height: 100%; border-radius: 2px; background: var(--accent) }
details { margin-top: 1rem } summary { cursor: pointer; color: var(--quiet); font-size: .92rem } details .wide { margin-top: .5rem }
.samples { display: grid; gap: 1.2rem 1.6rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)) }
.sample { min-width: 0 } .ask { margin: .7rem 0 .3rem; font-weight: 500; font-size: .92rem }
pre { margin: 0; padding: .7rem .9rem; border: 1px solid var(--edge); border-radius: .6rem; background: var(--raised); white-space: pre-wrap; overflow-wrap: anywhere;
  max-height: 24rem; overflow-y: auto; font: .8rem/1.5 ui-monospace, "SF Mono", "Cascadia Code", "DejaVu Sans Mono", monospace }
@media (max-width: 40rem) {
  th, td { padding-right: .9rem } .scores td:nth-child(n + 3), .scores thead th:nth-child(n + 3) { min-width: 5.4rem }
  .change { display: block; margin: 0 }
}
@media print { pre { max-height: none } .charts > div { break-inside: avoid } }
)";

// A name from a folder or a file as part of a file's name.
std::string file_word(std::string_view name) {
  std::string word;
  for (const char c : name) {
    const bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    word += is_plain || (c == '.' && !word.empty()) ? c : '_';
  }
  return word.substr(0, 100);
}

}  // namespace

std::string report_html(std::string_view title, std::span<const StageRecord> stages) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0} · training</title>\n"
      "<style>{1}{2}</style>\n<header><p>r1.cpp, training</p><h1>{0}</h1>\n",
      escape_markup(title), chart_css(), kPageCss);
  html += contents(stages) + "</header>\n<main>\n" + scores_html(stages);
  for (std::size_t i = 0; i < stages.size(); ++i)
    if (has_section(stages[i])) html += stage_html(stages[i], i);
  return html + "</main>\n</html>\n";
}

std::vector<ChartFile> chart_files(std::span<const StageRecord> stages) {
  constexpr int kTaskColumns = 4;
  std::vector<ChartFile> files;
  for (const StageRecord& stage : stages) {
    for (const FigureRecord* figure : stage_figures(stage)) {
      const Chart chart = chart_of(*figure, stage);
      files.push_back({file_word(stage.name) + "-" + file_word(figure->name) + ".svg", svg_file({&chart, 1}, 1)});
    }
    std::vector<Chart> tasks;
    for (const FigureRecord* figure : task_figures(stage)) tasks.push_back(chart_of(*figure, stage));
    if (!tasks.empty()) files.push_back({file_word(stage.name) + "-tasks.svg", svg_file(tasks, kTaskColumns)});
  }
  return files;
}

Status write_report(const std::string& run_folder, const std::string& html_path, const std::string& svg_folder) {
  R1_TRY(const std::vector<StageRecord> stages, read_run(run_folder));
  std::error_code error;
  const std::string title = std::filesystem::canonical(run_folder, error).filename().string();
  R1_TRY_STATUS(write_file_atomically(html_path, report_html(title, stages)));
  if (svg_folder.empty()) return {};
  std::filesystem::create_directories(svg_folder, error);
  if (error) return Error{ErrorCode::kIo, fmt::format("folder '{}' can't be made: {}", svg_folder, error.message())};
  for (const ChartFile& file : chart_files(stages)) {
    R1_TRY_STATUS(write_file_atomically(svg_folder + "/" + file.name, file.svg));
  }
  return {};
}

}  // namespace r1
