// prices.h: what an answer would have cost elsewhere, in integer nano-dollars. Sources: DeepSeek's and OpenAI's price
// pages at R1's launch (20 January 2025): R1 $0.55, cached $0.14, output $2.19 per million tokens; o1 $15, cached
// $7.50, output $60.
#pragma once

#include <cstdint>

#include "engine/token_stream.h"

namespace r1 {

struct TokenPrices {
  std::int64_t input_nanousd, cached_nanousd, output_nanousd;  // per token

  std::int64_t cost_nanousd(const Usage& usage) const {
    return (usage.prompt_tokens - usage.cached_tokens) * input_nanousd + usage.cached_tokens * cached_nanousd +
           usage.completion_tokens * output_nanousd;
  }
};

inline constexpr TokenPrices kDeepSeekR1Prices{550, 140, 2190};
inline constexpr TokenPrices kOpenAiO1Prices{15'000, 7'500, 60'000};

}  // namespace r1
