// trained_import.h: the way back of trained_export.h: a GGUF file as a checkpoint that training begins with.
#pragma once

#include <string>

#include "base/result.h"

namespace r1 {

// The file must be of a shape that training knows (train/shapes.h), with a vocabulary of `r1 train tokenizer`; weights
// of any type. What an 8-bit file has rounded stays rounded. `shape`: "" for the one the file names itself
// (general.name), or that one with "+mtp" behind, whose layer for multi-token prediction then begins at random.
Status import_trained(const std::string& gguf_path, const std::string& checkpoint_path, std::string shape);

}  // namespace r1
