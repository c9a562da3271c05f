// dialects.h: bodies of Anthropic's Messages API and of OpenAI's Responses API, said as those of /chat/completions:
// from there on they are requests like all others. Wire facts: the two APIs' public references, 2025.
#pragma once

#include <string_view>
#include <variant>

#include "base/json.h"
#include "serve/completion_request.h"

namespace r1 {

// Members keep their order, as schemas need. What can't be said is an error that names it; what only a service with
// storage or other tools could do and may be ignored is left out.
std::variant<OrderedJson, ApiError> chat_of_messages(const OrderedJson& body);
std::variant<OrderedJson, ApiError> chat_of_responses(const OrderedJson& body);

}  // namespace r1
