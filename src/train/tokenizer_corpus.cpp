// tokenizer_corpus.cpp: traces cut at their marks.
#include "train/tokenizer_corpus.h"

#include "base/assert.h"
#include "tasks/registry.h"
#include "train/bpe_trainer.h"

namespace r1 {
namespace {

void take_trace(std::string_view trace, FunctionRef<void(std::string_view text)> take) {
  constexpr std::string_view kOpening = "<think>", kClosing = "</think>";
  const std::size_t closing = trace.find(kClosing);
  R1_ASSERT(trace.starts_with(kOpening) && closing != std::string_view::npos, "a trace thinks, then answers");
  take(trace.substr(kOpening.size(), closing - kOpening.size()));
  take(trace.substr(closing + kClosing.size()));
}

}  // namespace

void for_each_task_text(Split split, std::uint64_t n_problems, FunctionRef<void(std::string_view text)> take) {
  for (const Task* task : all_tasks()) {
    for (std::uint64_t index = 0; index < n_problems; ++index) {
      const Problem problem = task->sample(split, index);
      take(problem.prompt);
      take_trace(problem.trace, take);
    }
  }
}

Result<Vocabulary> train_task_vocabulary(int vocab_size, std::uint64_t n_problems) {
  R1_TRY(BpeTrainer trainer, BpeTrainer::make());
  for_each_task_text(Split::kTrain, n_problems, [&](std::string_view text) { trainer.add(text); });
  return trainer.train(vocab_size);
}

}  // namespace r1
