// tokenizer_corpus.h: the text a vocabulary is trained on: prompts and worked solutions of all tasks, training split.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/function_ref.h"
#include "base/result.h"
#include "tasks/task.h"
#include "text/tokenizer.h"

namespace r1 {

// Calls take(text) for the prompt, the thinking and the answer of problems 0 to n - 1 of every task, in both languages.
// <think> and </think>, which are tokens already, are left out; the line feeds beside them are not.
void for_each_task_text(Split split, std::uint64_t n_problems, FunctionRef<void(std::string_view text)> take);

// A vocabulary of vocab_size tokens learnt from that text: what `r1 train tokenizer` writes.
Result<Vocabulary> train_task_vocabulary(int vocab_size, std::uint64_t n_problems);

}  // namespace r1
