// form_parameters.h: the parameters that say what form an answer has: response_format, tools, tool_choice. Of the table
// in serve/parameters.cpp.
#pragma once

#include <string_view>

#include "serve/parameter_errors.h"

namespace r1 {

MaybeError read_response_format(const Json& value, CompletionRequest& request);
MaybeError read_tools(const Json& value, CompletionRequest& request);
MaybeError read_tool_choice(const Json& value, CompletionRequest& request);  // after the tools, which it chooses among

// A 400 if json_object is asked for and no message speaks of JSON. Both dialects document it: a model that is not told
// can't know.
MaybeError check_json_is_mentioned(const CompletionRequest& request);

// Schemas of `request` once more, as texts with their members in the order of `body`: models write properties in the
// order of their schema. For a body that was read without an error.
void keep_schema_order(std::string_view body, CompletionRequest& request);

}  // namespace r1
