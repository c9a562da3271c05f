// chat_formats.cpp: how each family writes a conversation down.
//
// Of DeepSeek's own templates these mistakes are not repeated; conversations without tools are rendered as they do:
// 1. The list of calls is closed, once, after the last one. (Theirs: never after one call, twice after three.)
// 2. Every list of calls and of outputs is opened. (Theirs: only the first of the conversation.)
// 3. Outputs are closed when a user speaks next. (Theirs: left open.)
// 4. An assistant who writes and then calls has both rendered. (Theirs: the calls are lost.)
// 5. Thinking is dropped also from what an assistant writes after tool outputs. (R1's: kept there.)
#include <algorithm>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/utf8.h"

namespace r1 {

// Gathers text, so that what the template and people wrote side by side is encoded as one, as the model's own
// tokenizer does; a control token ends it.
class ChatTemplate::Writer {
 public:
  explicit Writer(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  Writer& text(std::string_view text) {
    pending_ += text;
    return *this;
  }
  // A token by name. A vocabulary that lacks it (the distills have no tool tokens) has it spelt out, as it has been
  // trained.
  Writer& marker(std::string_view name) {
    const std::optional<int> id = tokenizer_->find(name);
    return id ? token(*id) : text(name);
  }
  // A text of a ToolSyntax: its tags as markers.
  Writer& marked(std::string_view text_with_tags) {
    while (!text_with_tags.empty()) {
      const std::string_view piece = next_tool_piece(text_with_tags);
      if (piece.starts_with('<'))
        marker(piece);
      else
        text(piece);
      text_with_tags.remove_prefix(piece.size());
    }
    return *this;
  }
  Writer& token(int id) {
    flush();
    if (id >= 0) ids_.push_back(id);
    return *this;
  }
  std::vector<int> finish() {
    flush();
    return std::move(ids_);
  }

 private:
  void flush() {
    const std::vector<int> ids = tokenizer_->encode(pending_);
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    pending_.clear();
  }

  const Tokenizer* tokenizer_;
  std::string pending_;
  std::vector<int> ids_;
};

namespace {

std::string_view after_thinking(std::string_view content) {
  constexpr std::string_view kClosing = "</think>";
  const std::size_t last = content.rfind(kClosing);
  return last == std::string_view::npos ? content : content.substr(last + kClosing.size());
}

std::string_view without_leading_newlines(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

// White space to Python's str.strip, which Jinja's trim is.
bool is_python_space(std::uint32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view trimmed(std::string_view text) {
  std::size_t begin = text.size(), end = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Unit unit = first_utf8_unit(text.substr(i));
    const std::size_t next = i + static_cast<std::size_t>(unit.n_bytes);
    if (unit.kind != Utf8Unit::Kind::kCharacter || !is_python_space(unit.code_point)) {
      begin = std::min(begin, i);
      end = next;
    }
    i = next;
  }
  return begin < end ? text.substr(begin, end - begin) : std::string_view();
}

// All system messages, or only the last: the older of DeepSeek's templates forget the others.
std::string deepseek_system(std::span<const ChatMessage> messages, bool join) {
  std::string system;
  for (const ChatMessage& message : messages) {
    if (message.role != "system") continue;
    if (!join) system.clear();
    if (!system.empty()) system += "\n\n";
    system += message.content;
  }
  return system;
}

// As a JSON string.
std::string json_text(std::string_view text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

const ToolSyntax& ChatTemplate::tool_syntax() const {
  const bool is_deepseek = family_ == TemplateFamily::kDeepSeekR1 || family_ == TemplateFamily::kDeepSeekV3;
  return is_deepseek ? kDeepSeekToolSyntax : kTaggedToolSyntax;
}

// What the tools are, and how they are called.
void ChatTemplate::write_tools(Tools tools, Writer& out) const {
  const ToolSyntax& syntax = tool_syntax();
  out.text("# Tools\n\nThese functions can be called. A line each, with the JSON Schema of its arguments:\n");
  for (const ToolDefinition& tool : tools)
    out.text("\n{\"name\": \"")
        .text(tool.name)
        .text("\", \"description\": ")
        .text(json_text(tool.description))
        .text(", \"parameters\": ")
        .text(tool.parameters)
        .text("}");
  out.text("\n\nTo call one, the answer is this, and nothing behind it:\n\n");
  out.marked(syntax.open).marked(syntax.before_name).text("NAME").marked(syntax.before_arguments).text("ARGUMENTS");
  out.marked(syntax.after_arguments).marked(syntax.close);
  out.text(
      "\n\nNAME is the name of a function, ARGUMENTS a JSON object that its schema allows. Results of calls come in "
      "the next message.");
}

void ChatTemplate::write_calls(std::span<const ToolCall> calls, const ToolSyntax& syntax, Writer& out) const {
  if (calls.empty()) return;
  out.marked(syntax.open);
  for (const ToolCall& call : calls) {
    if (&call != &calls.front()) out.marked(syntax.between);
    out.marked(syntax.before_name).text(call.name).marked(syntax.before_arguments).text(call.arguments);
    out.marked(syntax.after_arguments);
  }
  out.marked(syntax.close);
}

Result<Prompt> ChatTemplate::render(std::span<const ChatMessage> messages, ThinkingMode thinking, Tools tools) const {
  R1_TRY_STATUS(check_messages(messages));
  R1_TRY_STATUS(check_prefix(messages, thinking));
  const ChatMessage* prefix = !messages.empty() && messages.back().is_prefix ? &messages.back() : nullptr;
  if (prefix != nullptr) messages = messages.first(messages.size() - 1);
  Writer out(*tokenizer_);
  bool continues_after_tools = false;  // DeepSeek goes on where the outputs end, with no new turn and no <think>
  switch (family_) {
    case TemplateFamily::kDeepSeekR1:
    case TemplateFamily::kDeepSeekV3:
      render_deepseek(messages, tools, out);
      continues_after_tools = !messages.empty() && messages.back().role == "tool";
      break;
    case TemplateFamily::kChatMl:
      render_chatml(messages, tools, out);
      break;
    case TemplateFamily::kLlama3:
      render_llama3(messages, tools, out);
      break;
    case TemplateFamily::kPlain:
      render_plain(messages, tools, out);
      if (prefix != nullptr && !messages.empty()) out.text("\n");
      break;
  }
  Prompt prompt;
  if (prefix != nullptr)
    prompt.answer_start = open_prefix(*prefix, out);
  else if (!continues_after_tools)
    prompt.answer_start = open_answer(thinking, out);
  else if (may_think_)
    prompt.answer_start = ReasoningSplitter::Start::kUndecided;
  prompt.ids = out.finish();
  return prompt;
}

ReasoningSplitter::Start ChatTemplate::open_answer(ThinkingMode thinking, Writer& out) const {
  if (!may_think_) return ReasoningSplitter::Start::kAnswer;
  if (thinking == ThinkingMode::kOff) {
    out.marker("<think>").text("\n\n").marker("</think>").text("\n\n");
    return ReasoningSplitter::Start::kAnswer;
  }
  if (thinking == ThinkingMode::kModelsOwn && !forces_thinking_) return ReasoningSplitter::Start::kUndecided;
  out.marker("<think>").text("\n");
  return ReasoningSplitter::Start::kThinking;
}

// An answer without its thought is continued as such: models have seen them so, in earlier turns.
ReasoningSplitter::Start ChatTemplate::open_prefix(const ChatMessage& prefix, Writer& out) const {
  if (!prefix.thinking.empty()) {
    out.marker("<think>").text("\n").text(prefix.thinking);
    if (prefix.content.empty()) return ReasoningSplitter::Start::kInThought;
    out.text("\n").marker("</think>").text("\n\n");
  }
  out.text(prefix.content);
  return ReasoningSplitter::Start::kAnswer;
}

std::vector<int> ChatTemplate::closing_ids() const {
  Writer out(*tokenizer_);
  out.text("\n\nThat is enough thinking; I answer now.\n").marker("</think>").text("\n\n");
  return out.finish();
}

void ChatTemplate::render_deepseek(std::span<const ChatMessage> messages, Tools tools, Writer& out) const {
  const std::string system = deepseek_system(messages, joins_system_);
  out.token(tokenizer_->bos_id()).text(system);
  if (!tools.empty()) write_tools(tools, out.text(system.empty() ? "" : "\n\n"));
  bool in_outputs = false;
  const auto close_outputs = [&] {
    if (in_outputs) out.marker("<｜tool▁outputs▁end｜>");
    return std::exchange(in_outputs, false);
  };
  for (const ChatMessage& message : messages) {
    if (message.role == "user") {
      close_outputs();
      out.marker("<｜User｜>").text(message.content);
    } else if (message.role == "tool") {
      if (in_outputs)
        out.text("\n");
      else
        out.marker("<｜tool▁outputs▁begin｜>");
      out.marker("<｜tool▁output▁begin｜>").text(message.content).marker("<｜tool▁output▁end｜>");
      in_outputs = true;
    } else if (message.role == "assistant") {
      if (!close_outputs()) out.marker("<｜Assistant｜>");
      out.text(drops_thinking_ ? after_thinking(message.content) : std::string_view(message.content));
      write_calls(message.tool_calls, kDeepSeekToolSyntax, out);
      out.marker("<｜end▁of▁sentence｜>");
    }
  }
  if (!close_outputs()) out.marker("<｜Assistant｜>");
}

void ChatTemplate::render_chatml(std::span<const ChatMessage> messages, Tools tools, Writer& out) const {
  const auto open = [&](std::string_view role) { out.marker("<|im_start|>").text(role); };
  const auto close = [&] { out.marker("<|im_end|>").text("\n"); };
  const bool has_system = !messages.empty() && messages[0].role == "system";
  if (!has_system && (!default_system_.empty() || !tools.empty())) {
    open("system");
    out.text("\n").text(default_system_);
    if (!tools.empty()) write_tools(tools, out.text(default_system_.empty() ? "" : "\n\n"));
    close();
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (message.role == "tool") {  // neighbouring outputs share one turn of the user
      if (i == 0 || messages[i - 1].role != "tool") open("user");
      out.text("\n<tool_response>\n").text(message.content).text("\n</tool_response>");
      if (i + 1 == messages.size() || messages[i + 1].role != "tool") close();
      continue;
    }
    open(message.role);
    std::string_view content = message.content;
    if (drops_thinking_ && message.role == "assistant") content = without_leading_newlines(after_thinking(content));
    if (message.tool_calls.empty() || !content.empty()) out.text("\n").text(content);
    if (i == 0 && has_system && !tools.empty()) write_tools(tools, out.text("\n\n"));
    if (!message.tool_calls.empty()) write_calls(message.tool_calls, kTaggedToolSyntax, out.text("\n"));
    close();
  }
  open("assistant");
  out.text("\n");
}

// A template without tools, and any once tools are described or several are called at once, has calls and results as
// text.
void ChatTemplate::render_llama3(std::span<const ChatMessage> messages, Tools tools, Writer& out) const {
  const auto open = [&](std::string_view role) {
    out.marker("<|start_header_id|>").text(role).marker("<|end_header_id|>").text("\n\n");
  };
  out.token(tokenizer_->bos_id());
  const bool has_system = !messages.empty() && messages[0].role == "system";
  if (has_dates_ || !tools.empty()) {
    // The second date is the template's own default. Today's, which Hugging Face puts there, would change every prompt
    // at midnight, and with it every cached prefix.
    open("system");
    if (has_dates_) out.text("Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n");
    if (has_system) out.text(trimmed(messages[0].content));
    if (!tools.empty()) write_tools(tools, out.text(has_system ? "\n\n" : ""));
    if (has_system) messages = messages.subspan(1);
    out.marker("<|eot_id|>");
  }
  for (const ChatMessage& message : messages) {
    const bool as_text = !has_tools_ || !tools.empty() || message.tool_calls.size() > 1;
    const bool is_result = message.role == "tool";
    open(!is_result ? std::string_view(message.role) : as_text ? "user" : "ipython");
    if (is_result && as_text) {
      out.text("<tool_response>\n").text(message.content).text("\n</tool_response>");
    } else if (message.tool_calls.empty()) {
      out.text(is_result ? std::string_view(message.content) : trimmed(message.content));
    } else if (as_text) {
      const std::string_view content = trimmed(message.content);
      write_calls(message.tool_calls, kTaggedToolSyntax, out.text(content).text(content.empty() ? "" : "\n"));
    } else {
      const ToolCall& call = message.tool_calls.front();
      out.text("{\"name\": \"").text(call.name).text("\", \"parameters\": ").text(call.arguments).text("}");
    }
    out.marker("<|eot_id|>");
  }
  open("assistant");
}

void ChatTemplate::render_plain(std::span<const ChatMessage> messages, Tools tools, Writer& out) const {
  if (tokenizer_->adds_bos()) out.token(tokenizer_->bos_id());
  if (!tools.empty()) write_tools(tools, out);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    out.text(i == 0 && tools.empty() ? "" : "\n").text(messages[i].content);
    write_calls(messages[i].tool_calls, kTaggedToolSyntax, out);
  }
}

}  // namespace r1
