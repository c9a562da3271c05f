// cmd_chat.cpp: `r1 chat [MODEL]`: a conversation in the terminal.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/answering.h"
#include "apps/built_in_model.h"
#include "apps/commands.h"
#include "apps/line_reader.h"
#include "apps/sampling_flags.h"
#include "apps/store.h"
#include "ledger/prices.h"

namespace r1 {
namespace {

struct ChatOptions {
  EngineFlags engine;
  SamplingFlags sampling;
  std::string model = std::string(kBuiltInModel), system, think = "show";
  int max_tokens = 0;
};

constexpr const char* kHelp =
    R"(  /think show|fold|hide   the model's thinking: dimmed, one line that counts, or nothing
  /thought                show the last thinking
  /system TEXT            set the system message and begin anew
  /clear                  begin anew
  /retry                  answer the last message again
  /bye                    leave (or Ctrl-D)
  A line that ends with \ goes on in the next; """ begins and ends a text of several lines.
  Ctrl-C stops an answer, and forgets a message that is being typed.
)";

// Shows an answer as it comes. On a terminal thinking is dim; folded, it is one line that counts.
class AnswerView {
 public:
  AnswerView(const std::string& think, bool terminal) : think_(think), terminal_(terminal) {}

  bool show(const SplitText& delta) {
    if (!delta.thinking.empty()) show_thinking(delta.thinking);
    if (!delta.answer.empty()) {
      close_thinking();
      std::fwrite(delta.answer.data(), 1, delta.answer.size(), stdout);
    }
    return std::fflush(stdout) == 0;
  }
  void finish() {
    close_thinking();
    std::fputc('\n', stdout);
  }

 private:
  void show_thinking(const std::string& text) {
    ++n_pieces_;
    if (think_ == "show") {
      if (!in_thinking_ && terminal_) std::fputs("\033[2m", stdout);
      std::fwrite(text.data(), 1, text.size(), stdout);
    } else if (think_ == "fold" && terminal_) {
      fmt::print("\r\033[2mthinking: {} tokens\033[0m", n_pieces_);
    }
    in_thinking_ = true;
  }
  void close_thinking() {
    if (!in_thinking_) return;
    in_thinking_ = false;
    if (think_ == "show")
      std::fputs(terminal_ ? "\033[0m\n" : "\n", stdout);
    else if (think_ == "fold" && terminal_)
      fmt::print("\r\033[2mthought {} tokens (/thought shows them)\033[0m\n", n_pieces_);
  }

  std::string think_;
  bool terminal_, in_thinking_ = false;
  int n_pieces_ = 0;
};

class Conversation {
 public:
  Conversation(const ChatOptions& options, LoadedModel& model)
      : options_(options), model_(model), terminal_(::isatty(STDOUT_FILENO) == 1), think_(options.think) {
    clear();
  }

  // False when the person leaves.
  bool take(const std::string& input) {
    if (input == "/bye" || input == "/exit" || input == "/quit") return false;
    if (input == "/help" || input == "/?")
      fmt::print(stderr, "{}", kHelp);
    else if (input == "/clear")
      clear();
    else if (input == "/thought")
      fmt::print("{}\n", last_thinking_);
    else if (input == "/retry")
      retry();
    else if (input.starts_with("/think "))
      set_think(input.substr(7));
    else if (input.starts_with("/system "))
      options_.system = input.substr(8), clear();
    else if (input.starts_with("/"))
      fmt::print(stderr, "unknown command {} (/help)\n", input);
    else
      say(input);
    return true;
  }

 private:
  void clear() {
    messages_.clear();
    if (!options_.system.empty()) messages_.push_back({.role = "system", .content = options_.system});
  }
  void set_think(const std::string& how) {
    if (how == "show" || how == "fold" || how == "hide")
      think_ = how;
    else
      fmt::print(stderr, "/think takes show, fold or hide\n");
  }
  void say(const std::string& text) {
    messages_.push_back({.role = "user", .content = text});
    answer_last();
  }
  void retry() {
    while (!messages_.empty() && messages_.back().role == "assistant") messages_.pop_back();
    if (!messages_.empty() && messages_.back().role == "user") answer_last();
  }

  void answer_last() {
    if (const Status status = try_answer(); !status.ok()) {
      fmt::print(stderr, "r1: {}\n", status.error().message);
      messages_.pop_back();  // as if it had not been said
    }
  }
  Status try_answer() {
    R1_TRY(const Prompt prompt, model_.chat_template()->render(messages_));
    AnswerView view(think_, terminal_);
    R1_TRY(Answer got,
           answer(model_, prompt, {options_.sampling.over(model_.default_sampling()), options_.max_tokens, {}},
                  [&](const SplitText& delta) { return view.show(delta); }));
    view.finish();
    print_counts(got);
    last_thinking_ = std::move(got.thinking);
    messages_.push_back({.role = "assistant", .content = std::move(got.text)});
    return {};
  }
  void print_counts(const Answer& got) const {
    const MeteredTokens tokens{got.usage.prompt_tokens, got.usage.cached_tokens, got.usage.completion_tokens};
    const double deepseek_usd = static_cast<double>(cost_nanousd(kDeepSeekR1Prices, tokens).value()) * 1e-9;
    const double o1_usd = static_cast<double>(cost_nanousd(kOpenAiO1Prices, tokens).value()) * 1e-9;
    fmt::print(
        stderr, "{}{} tokens, {:.1f} tokens/s, first after {:.2f} s{} | at R1's price ${:.6f}, at o1's ${:.6f}{}\n",
        terminal_ ? "\033[2m" : "", got.usage.completion_tokens, got.tokens_per_second(), got.seconds_to_first_token,
        got.reason == FinishReason::kLength ? why_cut(got) : "", deepseek_usd, o1_usd, terminal_ ? "\033[0m" : "");
  }

  const char* why_cut(const Answer& got) const {
    const bool by_limit = options_.max_tokens > 0 && got.usage.completion_tokens >= options_.max_tokens;
    return by_limit ? ", cut at the limit of -n" : ", the context is full";
  }

  ChatOptions options_;
  LoadedModel& model_;
  bool terminal_;
  std::string think_, last_thinking_;
  std::vector<ChatMessage> messages_;
};

// One message: a line, lines that end with a backslash, or lines between """. Ctrl-C forgets all of it.
std::optional<std::string> read_message(LineReader& reader) {
  auto line = reader.read(">>> ");
  if (!line) return line;
  std::string text = *line;
  if (text.starts_with("\"\"\"")) {
    text.erase(0, 3);
    while (!text.ends_with("\"\"\"")) {
      const auto next = reader.read("... ");
      if (reader.interrupted()) return "";
      if (!next) return text;
      text += "\n" + *next;
    }
    text.resize(text.size() - 3);
    return text;
  }
  while (text.ends_with("\\")) {
    text.back() = '\n';
    const auto next = reader.read("... ");
    if (reader.interrupted()) return "";
    if (!next) break;
    text += *next;
  }
  return text;
}

Status chat(const ChatOptions& options) {
  R1_TRY(const std::unique_ptr<LoadedModel> model, LoadedModel::load(options.model, options.engine));
  if (!model->chat_template().ok()) return model->chat_template().error();
  R1_TRY(const Store store, Store::of_environment());
  fmt::print(stderr, "{}, {} tokens of context. /help lists commands.\n", model->name(),
             model->engine().context_length());
  ::mkdir(store.home().c_str(), 0755);  // may exist; without it history is just not kept
  LineReader reader(store.home() + "/chat_history");
  Conversation conversation(options, *model);
  while (const auto message = read_message(reader)) {
    if (reader.interrupted()) fmt::print(stderr, "(/bye or Ctrl-D leaves)\n");
    if (message->find_first_not_of(" \t\n") == std::string::npos) continue;
    reader.remember(*message);
    if (!conversation.take(*message)) break;
  }
  return {};
}

}  // namespace

void add_chat(CLI::App& app, Action& action) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command = app.add_subcommand("chat", "a conversation in the terminal");
  command->add_option("MODEL", options->model, "a path, or a name in the store")->capture_default_str();
  command->add_option("--think", options->think, "the model's thinking: show, fold or hide")
      ->check(CLI::IsMember({"show", "fold", "hide"}))
      ->capture_default_str();
  command->add_option("-n,--max-tokens", options->max_tokens, "tokens of an answer at most")
      ->check(CLI::Range(1, 1 << 26));
  command->add_option("--system", options->system, "a system message");
  options->sampling.add_to(*command);
  options->engine.add_to(*command);
  options->engine.add_context_to(*command);
  command->callback([options, &action] { action = [options] { return chat(*options); }; });
}

}  // namespace r1
