// lessons.h: tasks as what a model is trained on: a dialogue of one question and one worked answer, in the model's own
// chat template.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tasks/task.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/example.h"

namespace r1 {

struct TaskWeight {
  const Task* task = nullptr;
  double weight = 1;  // a draw is of this task with its share of all weights
};

// A problem drawn for training, validation or test: a pure function of (mix, split, stream, index).
struct DrawnProblem {
  const Task* task = nullptr;
  Problem problem;
};
DrawnProblem draw_problem(const std::vector<TaskWeight>& mix, Split split, std::uint64_t stream, std::uint64_t index);

// Prompts and answers as tokens.
class LessonWriter {
 public:
  // Both must outlive the writer.
  LessonWriter(const Tokenizer& tokenizer, const ChatTemplate& chat_template)
      : tokenizer_(tokenizer), template_(chat_template) {}

  // What an engine is given; with thinking it ends inside <think>.
  std::vector<int> prompt(const Problem& problem, ThinkingMode thinking = ThinkingMode::kOn) const;

  // The prompt and `written`, a whole answer beginning with <think>, up to and with the end of the answer.
  // Coefficients: `prompt_weight` for tokens of the prompt, 1 for the others; to be scaled by who puts a step together.
  Example thought(const Problem& problem, std::string_view written, float prompt_weight) const;
  // The answer alone, behind a thought that is closed at once.
  Example answer_alone(const Problem& problem, float prompt_weight) const;

  // What the model wrote after prompt(), as graders read it: with the <think> that the prompt ended in.
  std::string written(std::span<const int> completion) const;

 private:
  Example example(std::vector<int> prompt, std::string_view completion, float prompt_weight) const;

  const Tokenizer& tokenizer_;
  const ChatTemplate& template_;
};

}  // namespace r1
