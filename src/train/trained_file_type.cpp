// trained_file_type.cpp: a table.
#include "train/trained_file_type.h"

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr TrainedFileType kTrainedFileTypes[] = {
    {"f32", Dtype::kF32, 0}, {"f16", Dtype::kF16, 1}, {"q8_0", Dtype::kQ8_0, 7}, {"bf16", Dtype::kBF16, 32}};

}  // namespace

Result<TrainedFileType> trained_file_type(std::string_view name) {
  for (const TrainedFileType& type : kTrainedFileTypes) {
    if (type.name == name) return type;
  }
  return Error{ErrorCode::kInvalidInput,
               fmt::format("no type '{}' for a trained model; there are f32, f16, bf16, q8_0", name)};
}

}  // namespace r1
