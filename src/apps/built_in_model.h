// built_in_model.h: r1-nano, the model that this project trained itself (models/README.md), travels inside the program:
// who has the one has the other.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace r1 {

inline constexpr std::string_view kBuiltInModel = "r1-nano";

// Its path below a store's home, where it is written once: files are mapped, programs are not.
Result<std::string> built_in_model_path(const std::string& store_home);

}  // namespace r1
