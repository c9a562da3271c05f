// chat_template.h: a conversation to the tokens a model was trained on. Source: the models' own chat templates
// (tokenizer_config.json, tokenizer.chat_template in GGUF); the family is recognised from that text, and rendered by
// code here, not by a template language.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/reasoning_splitter.h"
#include "text/tokenizer.h"

namespace r1 {

struct ToolCall {
  std::string type = "function", name, arguments;  // arguments: JSON text
};

struct ChatMessage {
  std::string role;     // "system", "user", "assistant", "tool"
  std::string content;  // an assistant's may begin with thinking up to </think>: earlier turns are rendered without it
  std::vector<ToolCall> tool_calls;
};

enum class TemplateFamily {
  kDeepSeekR1,  // R1 and its distills: <｜User｜>…<｜Assistant｜>
  kDeepSeekV3,  // the same without thinking
  kChatMl,      // <|im_start|>role\n…<|im_end|>\n
  kLlama3,      // <|start_header_id|>role<|end_header_id|>\n\n…<|eot_id|>
  kPlain,       // no template known: the contents, one after the other
};

struct Prompt {
  std::vector<int> ids;
  ReasoningSplitter::Start answer_start = ReasoningSplitter::Start::kAnswer;  // kThinking: it ends inside <think>

  bool in_thinking() const { return answer_start == ReasoningSplitter::Start::kThinking; }
};

class ChatTemplate {
 public:
  // `source` is the model's template text, "" when it has none. The tokenizer must outlive the template.
  static Result<ChatTemplate> detect(std::string_view source, const Tokenizer& tokenizer);

  TemplateFamily family() const { return family_; }
  std::string_view name() const;  // "deepseek-r1", for people

  // The whole conversation, ending where the assistant begins to write. An Error for roles the family does not know.
  Result<Prompt> render(std::span<const ChatMessage> messages) const;

 private:
  // private state is the implementer's
  TemplateFamily family_ = TemplateFamily::kPlain;
  const Tokenizer* tokenizer_ = nullptr;
  bool forces_thinking_ = false;
};

}  // namespace r1
