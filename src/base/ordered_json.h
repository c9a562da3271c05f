// ordered_json.h: JSON whose objects keep their members as written, where the order says something: schemas.
#pragma once

#include <string_view>

#include "base/json.h"

namespace r1 {

// As parse_json (base/json.h).
Result<OrderedJson> parse_ordered_json(std::string_view text, std::string_view what, JsonLimits limits = {});

}  // namespace r1
