// line_reader.cpp: the door to libedit.
#include "apps/line_reader.h"

#include <histedit.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>

namespace r1 {

constexpr int kHistoryLines = 1000;

struct LineReader::Terminal {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string history_path, prompt;
  bool interrupted = false;
  void (*interrupt_before)(int) = SIG_DFL;
};

namespace {

template <typename Terminal>
Terminal& terminal_of(EditLine* editor) {
  Terminal* terminal = nullptr;
  el_get(editor, EL_CLIENTDATA, &terminal);
  return *terminal;
}

}  // namespace

LineReader::LineReader(std::string history_path) {
  if (::isatty(STDIN_FILENO) != 1) return;
  terminal_ = std::make_unique<Terminal>();
  const auto prompt_of = [](EditLine* editor) { return terminal_of<Terminal>(editor).prompt.data(); };
  const auto interrupt = [](EditLine* editor, int /*key*/) -> unsigned char {
    terminal_of<Terminal>(editor).interrupted = true;
    std::fputs("^C\n", stdout);
    return CC_NEWLINE;
  };
  const auto suspend = [](EditLine* /*editor*/, int /*key*/) -> unsigned char {
    std::raise(SIGTSTP);  // libedit's handler gives the terminal back first
    return CC_REDISPLAY;
  };
  // Ctrl-C a moment before the terminal is set up for a line would still be a signal.
  terminal_->interrupt_before = std::signal(SIGINT, SIG_IGN);
  terminal_->history_path = std::move(history_path);
  terminal_->editor = el_init("r1", stdin, stdout, stderr);
  terminal_->history = history_init();
  HistEvent event;
  history(terminal_->history, &event, H_SETSIZE, kHistoryLines);
  if (!terminal_->history_path.empty()) history(terminal_->history, &event, H_LOAD, terminal_->history_path.c_str());
  el_set(terminal_->editor, EL_EDITOR, "emacs");
  el_set(terminal_->editor, EL_SIGNAL, 1);
  el_set(terminal_->editor, EL_HIST, history, terminal_->history);
  el_set(terminal_->editor, EL_CLIENTDATA, terminal_.get());
  el_set(terminal_->editor, EL_PROMPT, +prompt_of);
  // While a line is edited Ctrl-C and Ctrl-Z are keys like others: Ctrl-C as a signal would end the program.
  el_set(terminal_->editor, EL_SETTY, "-d", "-isig", nullptr);
  // With wide strings, which it keeps; of narrow ones it makes copies that it never frees.
  el_wset(terminal_->editor, EL_ADDFN, L"r1-interrupt", L"forget the line", +interrupt);
  el_set(terminal_->editor, EL_BIND, "^C", "r1-interrupt", nullptr);
  el_wset(terminal_->editor, EL_ADDFN, L"r1-suspend", L"stop the program until it is continued", +suspend);
  el_set(terminal_->editor, EL_BIND, "^Z", "r1-suspend", nullptr);
}

LineReader::~LineReader() {
  if (!terminal_) return;
  HistEvent event;
  if (!terminal_->history_path.empty()) history(terminal_->history, &event, H_SAVE, terminal_->history_path.c_str());
  history_end(terminal_->history);
  el_end(terminal_->editor);
  std::signal(SIGINT, terminal_->interrupt_before);
}

std::optional<std::string> LineReader::read(const std::string& prompt) {
  std::string line;
  if (!terminal_) {
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  terminal_->prompt = prompt;
  terminal_->interrupted = false;
  int length = 0;
  const char* text = el_gets(terminal_->editor, &length);
  if (terminal_->interrupted) return line;
  if (text == nullptr || length <= 0) return std::nullopt;
  line.assign(text, static_cast<std::size_t>(length));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return line;
}

bool LineReader::interrupted() const { return terminal_ && terminal_->interrupted; }

void LineReader::remember(const std::string& text) {
  if (!terminal_) return;
  HistEvent event;
  history(terminal_->history, &event, H_ENTER, text.c_str());
}

}  // namespace r1
