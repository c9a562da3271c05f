// money.h: integer nano-dollars. Every sum and product is checked: what doesn't fit is an Error, never a wrapped
// balance.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace r1 {

Result<std::int64_t> add_nanousd(std::int64_t a, std::int64_t b);
Result<std::int64_t> multiply_nanousd(std::int64_t price_nanousd, std::int64_t n);

std::string format_usd(std::int64_t nanousd);  // exact: "-0.00000055", at least two decimals
// The inverse: digits with at most nine decimals. `what` names the text in the error: "--budget".
Result<std::int64_t> parse_usd(std::string_view text, std::string_view what);

}  // namespace r1
