// line_reader.cpp: the door to libedit.
#include "apps/line_reader.h"

#include <histedit.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>

namespace r1 {

constexpr int kHistoryLines = 1000;

struct LineReader::Terminal {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string history_path, prompt;
};

namespace {

char* prompt_of(EditLine* editor) {
  std::string* prompt = nullptr;
  el_get(editor, EL_CLIENTDATA, &prompt);
  return prompt->data();
}

}  // namespace

LineReader::LineReader(std::string history_path) {
  if (::isatty(STDIN_FILENO) != 1) return;
  terminal_ = std::make_unique<Terminal>();
  terminal_->history_path = std::move(history_path);
  terminal_->editor = el_init("r1", stdin, stdout, stderr);
  terminal_->history = history_init();
  HistEvent event;
  history(terminal_->history, &event, H_SETSIZE, kHistoryLines);
  if (!terminal_->history_path.empty()) history(terminal_->history, &event, H_LOAD, terminal_->history_path.c_str());
  el_set(terminal_->editor, EL_EDITOR, "emacs");
  el_set(terminal_->editor, EL_SIGNAL, 1);
  el_set(terminal_->editor, EL_HIST, history, terminal_->history);
  el_set(terminal_->editor, EL_CLIENTDATA, &terminal_->prompt);
  el_set(terminal_->editor, EL_PROMPT, prompt_of);
}

LineReader::~LineReader() {
  if (!terminal_) return;
  HistEvent event;
  if (!terminal_->history_path.empty()) history(terminal_->history, &event, H_SAVE, terminal_->history_path.c_str());
  history_end(terminal_->history);
  el_end(terminal_->editor);
}

std::optional<std::string> LineReader::read(const std::string& prompt) {
  std::string line;
  if (!terminal_) {
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  terminal_->prompt = prompt;
  int length = 0;
  errno = 0;
  const char* text = el_gets(terminal_->editor, &length);
  if (text == nullptr || length <= 0) {
    if (errno != EINTR) return std::nullopt;
    std::fputc('\n', stdout);
    return std::string();
  }
  line.assign(text, static_cast<std::size_t>(length));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return line;
}

void LineReader::remember(const std::string& text) {
  if (!terminal_) return;
  HistEvent event;
  history(terminal_->history, &event, H_ENTER, text.c_str());
}

}  // namespace r1
