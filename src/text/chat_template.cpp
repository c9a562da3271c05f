// chat_template.cpp: which family a template text is of, and the details in which its members differ.
#include "text/chat_template.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace r1 {
namespace {

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// Whether the assistant's turn opens with <think>. Templates write a line feed inside a string as \n or as itself.
bool opens_thinking(std::string_view source) {
  return contains(source, R"(<｜Assistant｜><think>\n)") || contains(source, "<｜Assistant｜><think>\n") ||
         contains(source, R"(<|im_start|>assistant\n<think>\n)") ||
         contains(source, "<|im_start|>assistant\n<think>\n");
}

TemplateFamily family_of_source(std::string_view source) {
  if (contains(source, "<｜Assistant｜>"))
    return contains(source, "think>") ? TemplateFamily::kDeepSeekR1 : TemplateFamily::kDeepSeekV3;
  if (contains(source, "<|start_header_id|>")) return TemplateFamily::kLlama3;
  if (contains(source, "<|im_start|>")) return TemplateFamily::kChatMl;
  return TemplateFamily::kPlain;
}

TemplateFamily family_of_tokens(const Tokenizer& tokenizer) {
  if (tokenizer.find("<｜Assistant｜>"))
    return tokenizer.find("</think>") ? TemplateFamily::kDeepSeekR1 : TemplateFamily::kDeepSeekV3;
  if (tokenizer.find("<|start_header_id|>")) return TemplateFamily::kLlama3;
  if (tokenizer.find("<|im_start|>")) return TemplateFamily::kChatMl;
  return TemplateFamily::kPlain;
}

// The system message a ChatML template brings along: in its text, the string '<|im_start|>system\n…<|im_end|>\n'.
std::string default_system_of(std::string_view source) {
  constexpr std::string_view kBegin = "<|im_start|>system", kEnd = "<|im_end|>";
  for (std::size_t i = source.find(kBegin); i != std::string_view::npos; i = source.find(kBegin, i + 1)) {
    if (i == 0) continue;
    const char quote = source[i - 1];
    const std::string_view rest = source.substr(i + kBegin.size());
    std::string text;
    std::size_t j = 0;
    for (; j < rest.size() && rest[j] != quote && !rest.substr(j).starts_with(kEnd); ++j) {
      if (rest[j] == '\\' && j + 1 < rest.size()) {
        ++j;
        text.push_back(rest[j] == 'n' ? '\n' : rest[j]);
      } else {
        text.push_back(rest[j]);
      }
    }
    if (j < rest.size() && rest[j] != quote && text.starts_with('\n')) return text.substr(1);
  }
  return {};
}

}  // namespace

Result<ChatTemplate> ChatTemplate::detect(std::string_view source, const Tokenizer& tokenizer) {
  ChatTemplate chat(tokenizer);
  const bool has_source = source.find_first_not_of(" \t\r\n") != std::string_view::npos;
  chat.family_ = has_source ? family_of_source(source) : family_of_tokens(tokenizer);
  // DeepSeek-V3.1 closes a thought that never was ("<｜Assistant｜></think>"): a family of its own, not written yet.
  if (has_source && (chat.family_ == TemplateFamily::kPlain || contains(source, "<｜Assistant｜></think>"))) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("chat template: not of a family this build knows (DeepSeek-R1, DeepSeek-V3, ChatML, Llama 3); "
                    "it begins '{:.60}'",
                    source)};
  }
  const bool is_r1 = chat.family_ == TemplateFamily::kDeepSeekR1;
  chat.forces_thinking_ = has_source ? opens_thinking(source) : is_r1;
  chat.may_think_ = contains(source, "<think>") || tokenizer.find("<think>").has_value();
  chat.drops_thinking_ = has_source ? contains(source, "</think>") : is_r1;
  chat.joins_system_ = contains(source, "is_first_sp");
  chat.has_tools_ = !has_source || contains(source, "<｜tool▁call") || contains(source, "<tool_response>") ||
                    contains(source, "ipython");
  chat.has_dates_ = contains(source, "Cutting Knowledge Date");
  if (chat.family_ == TemplateFamily::kChatMl) chat.default_system_ = default_system_of(source);
  R1_TRY_STATUS(chat.check_markers());
  return chat;
}

std::string_view ChatTemplate::name() const {
  switch (family_) {
    case TemplateFamily::kDeepSeekR1:
      return "deepseek-r1";
    case TemplateFamily::kDeepSeekV3:
      return "deepseek-v3";
    case TemplateFamily::kChatMl:
      return "chatml";
    case TemplateFamily::kLlama3:
      return "llama3";
    case TemplateFamily::kPlain:
      break;
  }
  return "plain";
}

// Without these tokens a prompt would be spelt out in letters, and the model would not understand it.
Status ChatTemplate::check_markers() const {
  std::vector<std::string_view> needed;
  if (family_ == TemplateFamily::kDeepSeekR1 || family_ == TemplateFamily::kDeepSeekV3)
    needed = {"<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"};
  if (family_ == TemplateFamily::kChatMl) needed = {"<|im_start|>", "<|im_end|>"};
  if (family_ == TemplateFamily::kLlama3) needed = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
  for (const std::string_view marker : needed) {
    if (tokenizer_->find(marker)) continue;
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("chat template: of family {}, but the vocabulary has no token {}", name(), marker)};
  }
  return {};
}

Status ChatTemplate::check_prefix(std::span<const ChatMessage> messages, ThinkingMode thinking) const {
  if (thinking == ThinkingMode::kOn && !may_think_)
    return Error{ErrorCode::kUnsupported, "thinking: this model's vocabulary has no <think>"};
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (!message.is_prefix) continue;
    if (message.role != "assistant" || i + 1 != messages.size() || !message.tool_calls.empty()) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("messages[{}]: only the last message can be a prefix, an assistant's without calls", i)};
    }
    if (message.thinking.empty()) continue;
    if (!may_think_)
      return Error{ErrorCode::kUnsupported, fmt::format("messages[{}]: this model has no thought to continue", i)};
    if (thinking == ThinkingMode::kOff && message.content.empty()) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("messages[{}]: its thought can't be continued with thinking disabled", i)};
    }
  }
  return {};
}

Status ChatTemplate::check_messages(std::span<const ChatMessage> messages) const {
  constexpr std::array<std::string_view, 4> kRoles = {"system", "user", "assistant", "tool"};
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (std::find(kRoles.begin(), kRoles.end(), message.role) == kRoles.end()) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("messages[{}]: role '{:.40}' is not system, user, assistant or tool", i, message.role)};
    }
    const bool has_calls = !message.tool_calls.empty();
    if (has_calls && message.role != "assistant")
      return Error{ErrorCode::kInvalidInput, fmt::format("messages[{}]: only an assistant calls tools", i)};
  }
  return {};
}

}  // namespace r1
