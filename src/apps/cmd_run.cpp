// cmd_run.cpp: `r1 run MODEL "PROMPT"`: one answer on stdout.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/answering.h"
#include "apps/commands.h"
#include "apps/sampling_flags.h"
#include "apps/standard_streams.h"
#include "base/json.h"

namespace r1 {
namespace {

struct RunOptions {
  EngineFlags engine;
  SamplingFlags sampling;
  std::string model, prompt, system, think = "show";
  bool has_prompt = false, raw = false, json = false;
  int max_tokens = 0;
  std::vector<std::string> stops;
};

// Thinking dimmed on a terminal, between <think> tags elsewhere, so that a program can tell the two apart.
class Printer {
 public:
  explicit Printer(const std::string& think)
      : shows_thinking_(think != "hide"), shows_answer_(think != "only"), dims_(::isatty(STDOUT_FILENO) == 1) {}

  bool print(const SplitText& delta) {
    if (!delta.thinking.empty() && shows_thinking_) {
      if (!in_thinking_) std::fputs(dims_ ? "\033[2m" : "<think>\n", stdout);
      in_thinking_ = true;
      write(delta.thinking);
    }
    if (!delta.answer.empty()) {
      end_thinking();
      if (shows_answer_) write(delta.answer);
    }
    return std::fflush(stdout) == 0;
  }
  void finish() {
    end_thinking();
    if (last_ != '\n') std::fputc('\n', stdout);
  }

 private:
  void end_thinking() {
    if (!in_thinking_) return;
    in_thinking_ = false;
    if (last_ != '\n') std::fputc('\n', stdout);
    std::fputs(dims_ ? "\033[0m" : "</think>\n", stdout);
    last_ = '\n';
  }
  void write(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    last_ = text.back();
  }

  bool shows_thinking_, shows_answer_, dims_;
  bool in_thinking_ = false;
  char last_ = 0;
};

Result<Prompt> make_prompt(const RunOptions& options, const LoadedModel& model, const std::string& text) {
  if (options.raw) {
    Prompt prompt;
    if (model.tokenizer().adds_bos()) prompt.ids.push_back(model.tokenizer().bos_id());
    const std::vector<int> ids = model.tokenizer().encode(text);
    prompt.ids.insert(prompt.ids.end(), ids.begin(), ids.end());
    return prompt;
  }
  const Result<ChatTemplate>& chat = model.chat_template();
  if (!chat.ok()) return Error{chat.error().code, chat.error().message + "; --raw continues a text without it"};
  std::vector<ChatMessage> messages;
  if (!options.system.empty()) messages.push_back({.role = "system", .content = options.system});
  messages.push_back({.role = "user", .content = text});
  return chat->render(messages);
}

void print_json(const Answer& answer, const SamplingParams& sampling, const EngineStats& stats) {
  OrderedJson line = {{"text", answer.text},
                      {"thinking", answer.thinking},
                      {"finish_reason", to_string(answer.reason)},
                      {"seed", sampling.seed},
                      {"prompt_tokens", answer.usage.prompt_tokens},
                      {"completion_tokens", answer.usage.completion_tokens},
                      {"reasoning_tokens", answer.reasoning_tokens},
                      {"seconds_to_first_token", answer.seconds_to_first_token},
                      {"tokens_per_second", answer.tokens_per_second()}};
  if (stats.drafted_tokens > 0) {
    line["drafted_tokens"] = stats.drafted_tokens;
    line["accepted_tokens"] = stats.accepted_tokens;
  }
  fmt::print("{}\n", line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
}

Status run(const RunOptions& options) {
  std::string text = options.prompt;
  if (!options.has_prompt || text == "-") {
    R1_TRY(text, read_stdin());
  }
  R1_TRY(const std::unique_ptr<LoadedModel> model, LoadedModel::load(options.model, options.engine));
  R1_TRY(const Prompt prompt, make_prompt(options, *model, text));
  const AnswerOptions answer_options{options.sampling.over(model->default_sampling()), options.max_tokens,
                                     options.stops};
  Printer printer(options.think);
  R1_TRY(const Answer got, answer(*model, prompt, answer_options,
                                  [&](const SplitText& delta) { return options.json || printer.print(delta); }));
  if (options.json) {
    print_json(got, answer_options.sampling, model->engine().stats());
  } else {
    printer.finish();
  }
  return flush_stdout();
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "one answer to a prompt");
  command->add_option("MODEL", options->model, "a path, or a name in the store")->required();
  CLI::Option* prompt = command->add_option("PROMPT", options->prompt, "without it, or with -, stdin is read");
  command->add_option("--think", options->think, "what to do with the model's thinking: show, hide, or only")
      ->check(CLI::IsMember({"show", "hide", "only"}))
      ->capture_default_str();
  command->add_option("-n,--max-tokens", options->max_tokens, "tokens at most (default: until the context is full)")
      ->check(CLI::Range(1, 1 << 26));
  command->add_option("--system", options->system, "a system message");
  command->add_option("--stop", options->stops, "end the answer before this text; may be repeated")
      ->allow_extra_args(false);
  command->add_flag("--raw", options->raw, "continue the text as it is, without the model's chat template");
  command->add_flag("--json", options->json, "one JSON object with the answer and its counts");
  options->sampling.add_to(*command);
  options->engine.add_to(*command);
  options->engine.add_context_to(*command);
  command->callback([options, prompt, &action] {
    options->has_prompt = prompt->count() > 0;
    action = [options] { return run(*options); };
  });
}

}  // namespace r1
