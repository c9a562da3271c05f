// structured_parameters.h: the parameters whose values have structure: messages, prompts, stop strings, switches. Of
// the table in serve/parameters.cpp; those that say what form an answer has are in serve/form_parameters.h.
#pragma once

#include "serve/parameter_errors.h"

namespace r1 {

MaybeError read_messages(const Json& value, CompletionRequest& request);
MaybeError read_prompt(const Json& value, CompletionRequest& request);
MaybeError read_stop(const Json& value, CompletionRequest& request);
MaybeError read_logit_bias(const Json& value, CompletionRequest& request);
MaybeError read_seed(const Json& value, CompletionRequest& request);
MaybeError read_stream_options(const Json& value, CompletionRequest& request);
MaybeError read_text_logprobs(const Json& value, CompletionRequest& request);
MaybeError read_thinking(const Json& value, CompletionRequest& request);
MaybeError read_reasoning_effort(const Json& value, CompletionRequest& request);

}  // namespace r1
