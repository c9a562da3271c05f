// ordered_json.cpp: checked by parse_json, then read once more in order.
#include "base/ordered_json.h"

#include <nlohmann/json.hpp>

namespace r1 {

Result<OrderedJson> parse_ordered_json(std::string_view text, std::string_view what, JsonLimits limits) {
  R1_TRY_STATUS(parse_json(text, what, limits));
  return OrderedJson::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace r1
