// report.h: a run as one HTML page for people: curves, scores before and after, samples. The page needs nothing else:
// no network, no scripts; light or dark as the reader has it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "train/run_record.h"

namespace r1 {

std::string report_html(std::string_view title, std::span<const StageRecord> stages);

// The report's charts alone, for documents.
struct ChartFile {
  std::string name;  // STAGE-FIGURE.svg; STAGE-tasks.svg: the accuracies of all tasks
  std::string svg;
};
std::vector<ChartFile> chart_files(std::span<const StageRecord> stages);

// Writes the page to `html_path`, and the charts into `svg_folder` ("": not), which is made when it is missing.
Status write_report(const std::string& run_folder, const std::string& html_path, const std::string& svg_folder);

}  // namespace r1
