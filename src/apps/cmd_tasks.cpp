// cmd_tasks.cpp: `r1 tasks list|show|grade`: the problems that training and evaluation use, for a person to look at.
#include <cstdint>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/standard_streams.h"
#include "base/json.h"
#include "tasks/registry.h"

namespace r1 {
namespace {

struct TasksOptions {
  std::string task, split = "train", text;
  std::uint64_t index = 0;
  int count = 1;
  bool json = false, trace = false, markdown = false, has_text = false;
};

// One line whatever the text holds: model output may be broken UTF-8.
std::string json_line(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string_view language_name(Language language) { return language == Language::kEnglish ? "en" : "zh"; }

Status list_as_json() {
  OrderedJson list = OrderedJson::array();
  for (const Task* task : all_tasks()) {
    OrderedJson json = {{"task", task->name}, {"problems", task->n_problems}, {"summary", task->summary}};
    if (task->random_attempt_chance != nullptr) json["random_attempt_chance"] = task->random_attempt_chance();
    list.push_back(std::move(json));
  }
  return write_stdout(json_line(list));
}

Status list_tasks() {
  std::string table = fmt::format("{:<16}{:>10}{:>10}  {}\n", "TASK", "PROBLEMS", "CHANCE", "SUMMARY");
  for (const Task* task : all_tasks()) {
    const std::string chance =
        task->random_attempt_chance != nullptr ? fmt::format("{:.1f}%", 100 * task->random_attempt_chance()) : "-";
    table += fmt::format("{:<16}{:>10.2g}{:>10}  {}\n", task->name, task->n_problems, chance, task->summary);
  }
  return write_stdout(table + "CHANCE: that one random legal attempt is right\n");
}

std::string as_json(const TasksOptions& options, std::uint64_t index, const Problem& problem) {
  OrderedJson json = {{"task", options.task},
                      {"split", options.split},
                      {"index", index},
                      {"key", problem.key},
                      {"language", language_name(problem.language)},
                      {"prompt", problem.prompt},
                      {"answer", problem.answer}};
  if (options.trace) json["trace"] = problem.trace;
  return json_line(json);
}

std::string as_markdown(const TasksOptions& options, std::uint64_t index, const Problem& problem) {
  const std::string title = fmt::format("### {} {} {}\n\n{}\n\n", options.task, options.split, index, problem.prompt);
  if (!options.trace) return title + fmt::format("`{}`\n\n", problem.answer);
  return title + fmt::format("```text\n{}\n```\n\n", problem.trace);
}

Status show(const TasksOptions& options) {
  R1_TRY(const Task* task, find_task(options.task));
  const Split split = *split_named(options.split);
  for (std::uint64_t index = options.index; index < options.index + static_cast<std::uint64_t>(options.count);
       ++index) {
    const Problem problem = task->sample(split, index);
    R1_TRY_STATUS(write_stdout((options.markdown ? as_markdown : as_json)(options, index, problem)));
  }
  return {};
}

Status grade(const TasksOptions& options) {
  R1_TRY(const Task* task, find_task(options.task));
  std::string text = options.text;
  if (!options.has_text) {
    R1_TRY(text, read_stdin());
  }
  const Problem problem = task->sample(*split_named(options.split), options.index);
  const Reward reward = task->grade(problem, text);
  return write_stdout(json_line({{"accuracy", reward.accuracy},
                                 {"format", reward.format},
                                 {"language", reward.language},
                                 {"total", total(reward)}}));
}

// What show and grade have in common: which problem.
void add_problem(CLI::App& command, TasksOptions& options) {
  command.add_option("TASK", options.task, "a name from `r1 tasks list`")->required();
  command.add_option("--split", options.split, "train (the default), validation or test")
      ->check(CLI::IsMember({"train", "validation", "test"}));
  command.add_option("--index", options.index, "number of the (first) problem")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62));
}

}  // namespace

void add_tasks(CLI::App& app, Action& action) {
  auto options = std::make_shared<TasksOptions>();
  CLI::App* tasks = app.add_subcommand("tasks", "problems with rule rewards: list, show, grade");
  tasks->require_subcommand(1);
  CLI::App* listed = tasks->add_subcommand("list", "names, sizes, and the chance of a random attempt");
  listed->add_flag("--json", options->json, "print a JSON array");
  listed->callback([options, &action] { action = options->json ? list_as_json : list_tasks; });

  CLI::App* shown = tasks->add_subcommand("show", "problems, as JSON lines or Markdown");
  add_problem(*shown, *options);
  shown->add_option("-n,--count", options->count, "how many problems")->check(CLI::Range(1, 1'000'000));
  shown->add_flag("--trace", options->trace, "with a worked solution");
  shown->add_flag("--markdown", options->markdown, "for reading");
  shown->callback([options, &action] { action = [options] { return show(*options); }; });

  CLI::App* graded = tasks->add_subcommand("grade", "the reward of an answer to one problem");
  add_problem(*graded, *options);
  CLI::Option* text = graded->add_option("TEXT", options->text, "all that was answered; without it, stdin is read");
  graded->callback([options, text, &action] {
    options->has_text = text->count() > 0;
    action = [options] { return grade(*options); };
  });
}

}  // namespace r1
