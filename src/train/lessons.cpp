// lessons.cpp: a draw chooses the task, then the problem; the template writes the question.
#include "train/lessons.h"

#include "base/assert.h"

namespace r1 {
namespace {

constexpr std::string_view kThoughtBegins = "<think>\n";

}  // namespace

DrawnProblem draw_problem(const std::vector<TaskWeight>& mix, Split split, std::uint64_t stream, std::uint64_t index) {
  R1_ASSERT(!mix.empty(), "a mix names tasks");
  double total = 0;
  for (const TaskWeight& one : mix) total += one.weight;
  Rng rng(stream, index);
  double left = rng.uniform() * total;
  const TaskWeight* chosen = &mix.front();
  for (const TaskWeight& one : mix) {
    if (one.weight <= 0) continue;
    chosen = &one;
    left -= one.weight;
    if (left < 0) break;
  }
  return {chosen->task, chosen->task->sample(split, rng.bits())};
}

std::vector<int> LessonWriter::prompt(const Problem& problem, ThinkingMode thinking) const {
  const ChatMessage question{.role = "user", .content = problem.prompt, .tool_calls = {}};
  auto rendered = template_.render({&question, 1}, thinking);
  R1_ASSERT(rendered.ok(), "a question is a conversation for every template");
  return std::move(rendered).value().ids;
}

Example LessonWriter::example(std::vector<int> prompt, std::string_view completion, float prompt_weight) const {
  Example example;
  example.tokens = std::move(prompt);
  example.coefficients.assign(example.tokens.size(), prompt_weight);
  for (const int id : tokenizer_.encode_with_control_tokens(completion)) example.tokens.push_back(id);
  example.tokens.push_back(tokenizer_.eos_id());
  example.coefficients.resize(example.tokens.size(), 1.0f);
  return example;
}

Example LessonWriter::thought(const Problem& problem, std::string_view written, float prompt_weight) const {
  R1_ASSERT(written.starts_with(kThoughtBegins), "a worked answer begins with its thought");
  return example(prompt(problem), written.substr(kThoughtBegins.size()), prompt_weight);
}

Example LessonWriter::answer_alone(const Problem& problem, float prompt_weight) const {
  return example(prompt(problem, ThinkingMode::kOff), problem.answer, prompt_weight);
}

std::string LessonWriter::written(std::span<const int> completion) const {
  std::string text(kThoughtBegins);
  for (const int id : completion) {
    if (!tokenizer_.ends_answer(id)) text += tokenizer_.token_bytes(id);
  }
  return text;
}

}  // namespace r1
