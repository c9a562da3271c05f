// run_record.cpp: reads metrics.jsonl line by line, scores*.json whole, of samples.txt the ends.
#include "train/run_record.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxLines = 20'000;  // kept of a metrics.jsonl
constexpr std::size_t kMaxLineBytes = 1 << 16, kMaxFigures = 200, kMaxStages = 200, kMaxEvaluations = 20,
                      kMaxScores = 1000;
constexpr std::int64_t kMaxScoreBytes = 4 << 20;
constexpr std::int64_t kSampleBytes = 16 << 10;  // read at each end of samples.txt
constexpr std::string_view kSampleMark = "==== step ";

// False at the end, and for what stands there without its '\n': that is not whole yet. A line is read to 64 KiB.
bool next_line(std::ifstream& in, std::string& line) {
  line.clear();
  for (int c = in.rdbuf()->sbumpc(); c != std::char_traits<char>::eof(); c = in.rdbuf()->sbumpc()) {
    if (c == '\n') return true;
    if (line.size() <= kMaxLineBytes) line += static_cast<char>(c);
  }
  return false;
}

class MetricsReader {
 public:
  explicit MetricsReader(StageRecord& stage) : stage_(stage) {}

  void read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string last;  // of lines passed over: a run's end is always shown
    for (std::string line; next_line(in, line);) {
      last.clear();
      if (n_lines_++ % every_ != 0) {
        last = std::move(line);
        continue;
      }
      add(line);
      if (++n_kept_ >= kMaxLines) thin();
    }
    if (!last.empty()) add(last);
    if (n_unreadable_ > 0) stage_.notes.push_back(fmt::format("metrics.jsonl: {} lines can't be read", n_unreadable_));
  }

 private:
  void add(const std::string& text) {
    if (text.find_first_not_of(" \r") == std::string::npos) return;
    const Result<Json> line =
        text.size() > kMaxLineBytes ? Error{} : parse_json(text, "metrics.jsonl", {.max_depth = 4});
    const Result<double> step = line.ok() && line->is_object() ? json_number(*line, "step", -1) : Error{};
    if (!step.ok() || *step < 0) {
      ++n_unreadable_;
      return;
    }
    // Keys of Json are sorted; the order in which a stage names its figures is the order of OrderedJson.
    const OrderedJson ordered = OrderedJson::parse(text, nullptr, false);
    for (const auto& [name, value] : ordered.items()) {
      if (!value.is_number()) continue;  // what is not finite, JSON writes as null
      if (name == "step")
        stage_.step = value;
      else if (name == "tokens")
        stage_.tokens = value;
      else if (name == "seconds")
        stage_.seconds = value;
      else
        add_point(name, {*step, value});
    }
  }

  void add_point(const std::string& name, ChartPoint point) {
    auto& figures = stage_.figures;
    auto found = std::find_if(figures.begin(), figures.end(), [&](const FigureRecord& f) { return f.name == name; });
    if (found == figures.end()) {
      if (figures.size() == kMaxFigures) return;
      found = figures.insert(figures.end(), FigureRecord{.name = name, .points = {}});
    }
    found->points.push_back(point);
  }

  // Every second point goes, and of the lines to come every second will.
  void thin() {
    for (FigureRecord& figure : stage_.figures) {
      std::size_t n = 0;
      for (std::size_t i = 0; i < figure.points.size(); i += 2) figure.points[n++] = figure.points[i];
      figure.points.resize(n);
    }
    n_kept_ /= 2;
    every_ *= 2;
  }

  StageRecord& stage_;
  std::size_t n_lines_ = 0, n_kept_ = 0, every_ = 1;
  int n_unreadable_ = 0;
};

Result<ScoreRecord> read_score(const Json& line) {
  if (!line.is_object()) return Error{ErrorCode::kInvalidInput, "an evaluation is an array of objects"};
  ScoreRecord score;
  R1_TRY(score.task, json_string(line, "task", ""));
  R1_TRY(score.pass_at_1, json_number(line, "pass@1", 0));
  R1_TRY(score.standard_error, json_number(line, "standard_error", 0));
  R1_TRY(score.pass_at_n, json_number(line, "pass@n", 0));
  R1_TRY(score.majority, json_number(line, "cons@n", 0));
  R1_TRY(score.format, json_number(line, "format", 0));
  R1_TRY(score.ended, json_number(line, "ended", 0));
  R1_TRY(score.length, json_number(line, "length", 0));
  R1_TRY(const double chance, json_number(line, "random_attempt", -1));
  if (chance >= 0) score.random_attempt = chance;
  return score;
}

Result<std::vector<ScoreRecord>> read_scores(const std::string& path) {
  R1_TRY(const std::string text, read_file(path, kMaxScoreBytes));
  R1_TRY(const Json lines, parse_json(text, "it", {.max_depth = 8}));
  if (!lines.is_array()) return Error{ErrorCode::kInvalidInput, "an evaluation is a JSON array"};
  if (lines.size() > kMaxScores) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{} scores, at most {} are shown", lines.size(), kMaxScores)};
  }
  std::vector<ScoreRecord> scores;
  for (const Json& line : lines) {
    R1_TRY(ScoreRecord score, read_score(line));
    scores.push_back(std::move(score));
  }
  return scores;
}

bool is_score_file(const std::string& name) { return name.starts_with("scores") && name.ends_with(".json"); }

std::vector<std::string> score_files(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
    std::string name = i->path().filename().string();
    if (is_score_file(name) && names.size() < kMaxEvaluations) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return a.size() < b.size() || (a.size() == b.size() && a < b);  // scores.json first
  });
  return names;
}

void read_evaluations(const fs::path& folder, StageRecord& stage) {
  for (const std::string& file : score_files(folder)) {
    Result<std::vector<ScoreRecord>> scores = read_scores((folder / file).string());
    if (!scores.ok()) {
      stage.notes.push_back(fmt::format("{}: {}", file, scores.error().message));
      continue;
    }
    std::string name = file.substr(6, file.size() - 11);  // between "scores" and ".json"
    name.erase(0, name.find_first_not_of("-_."));
    stage.evaluations.push_back({std::move(name), std::move(scores).value()});
  }
}

std::string bytes_of(std::ifstream& in, std::int64_t from, std::int64_t n) {
  std::string text(static_cast<std::size_t>(std::max<std::int64_t>(0, n)), '\0');
  in.clear();
  in.seekg(from);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

// The sample that begins at `at`, to the next one or the end of the text.
SampleRecord sample_at(std::string_view text, std::size_t at) {
  text.remove_prefix(at + kSampleMark.size());
  text = text.substr(0, text.find("\n" + std::string(kSampleMark)));
  const std::size_t line = std::min(text.find('\n'), text.size());
  return {std::string(text.substr(0, line)), std::string(text.substr(std::min(line + 1, text.size())))};
}

void read_samples(const std::string& path, StageRecord& stage) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return;
  const std::int64_t size = in.tellg();
  const std::string begin = bytes_of(in, 0, std::min(size, kSampleBytes));
  if (!begin.starts_with(kSampleMark)) return;
  stage.samples.push_back(sample_at(begin, 0));
  const std::string end = bytes_of(in, std::max<std::int64_t>(0, size - kSampleBytes), kSampleBytes);
  const std::size_t last = end.rfind("\n" + std::string(kSampleMark));
  if (last != std::string::npos) stage.samples.push_back(sample_at(end, last + 1));
}

bool is_stage(const fs::path& folder) {
  return file_exists((folder / "metrics.jsonl").string()) || !score_files(folder).empty();
}

StageRecord read_stage(const fs::path& folder) {
  StageRecord stage;
  stage.name = folder.filename().string();
  MetricsReader(stage).read((folder / "metrics.jsonl").string());
  read_evaluations(folder, stage);
  read_samples((folder / "samples.txt").string(), stage);
  return stage;
}

// When the stage last wrote a metric; one that only evaluates, when it wrote its scores.
fs::file_time_type time_of(const fs::path& folder) {
  std::error_code error;
  fs::file_time_type time = fs::last_write_time(folder / "metrics.jsonl", error);
  if (!error) return time;
  for (const std::string& file : score_files(folder)) time = std::max(time, fs::last_write_time(folder / file, error));
  return time;
}

Result<std::vector<fs::path>> stage_folders(const fs::path& run) {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code error;
  for (fs::directory_iterator i(run, error), end; !error && i != end; i.increment(error)) {
    if (!is_directory(i->path().string()) || !is_stage(i->path())) continue;
    found.emplace_back(time_of(i->path()), i->path());
    if (found.size() > kMaxStages) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("'{}' holds more than the {} stages a report may have", run.string(), kMaxStages)};
    }
  }
  if (error) return Error{ErrorCode::kIo, fmt::format("folder '{}' can't be read: {}", run.string(), error.message())};
  std::sort(found.begin(), found.end());
  std::vector<fs::path> folders;
  folders.reserve(found.size());
  for (auto& [time, folder] : found) folders.push_back(std::move(folder));
  return folders;
}

}  // namespace

Result<std::vector<StageRecord>> read_run(const std::string& folder) {
  if (!is_directory(folder)) return Error{ErrorCode::kNotFound, fmt::format("there is no folder '{}'", folder)};
  std::error_code error;
  const fs::path run = fs::canonical(folder, error);  // so that "." has a name
  if (error) return Error{ErrorCode::kIo, fmt::format("folder '{}' can't be read: {}", folder, error.message())};
  std::vector<StageRecord> stages;
  if (is_stage(run)) {
    stages.push_back(read_stage(run));
    return stages;
  }
  R1_TRY(const std::vector<fs::path> folders, stage_folders(run));
  for (const fs::path& stage : folders) stages.push_back(read_stage(stage));
  if (stages.empty()) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("'{}' holds neither metrics.jsonl nor scores.json, nor does a folder in it", folder)};
  }
  return stages;
}

}  // namespace r1
