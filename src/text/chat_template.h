// chat_template.h: a conversation to the tokens a model was trained on. Source: the models' own chat templates
// (tokenizer_config.json, tokenizer.chat_template in GGUF); the family is recognised from that text, and rendered by
// code here, not by a template language.
//
// 1. Templates place control tokens by id; what people wrote goes through Tokenizer::encode and can't become one.
// 2. Where a conversation has no tool calls, the ids are those of the model's own template (goldens made with jinja2:
//    tools/golden/make_chat_goldens.py). DeepSeek's templates have mistakes around tools, which are not repeated:
//    chat_formats.cpp lists them.
// 3. What an assistant thought in earlier turns is left out, where the model's own template leaves it out.
// 4. Tools are described in the system message, in words of our own: R1's template has none. Models whose template
//    knows no calls are told, and shown, those of kTaggedToolSyntax.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/reasoning_splitter.h"
#include "text/tokenizer.h"
#include "text/tool_calls.h"

namespace r1 {

struct ToolCall {
  std::string type = "function", name, arguments;  // arguments: JSON text
};

struct ChatMessage {
  std::string role;     // "system", "user", "assistant", "tool"
  std::string content;  // an assistant's may begin with thinking up to </think>: earlier turns are rendered without it
  std::vector<ToolCall> tool_calls;
  std::string thinking = {};  // an assistant's, apart from its content; rendered only of a prefix
  bool is_prefix = false;     // the last message, an assistant's: what is generated continues it
};

// Whether the answer begins with a thought. kModelsOwn: as the model's template has it.
enum class ThinkingMode { kModelsOwn, kOn, kOff };

enum class TemplateFamily {
  kDeepSeekR1,  // R1 and its distills: <｜User｜>…<｜Assistant｜>
  kDeepSeekV3,  // the same without thinking
  kChatMl,      // <|im_start|>role\n…<|im_end|>\n
  kLlama3,      // <|start_header_id|>role<|end_header_id|>\n\n…<|eot_id|>
  kPlain,       // no template known: the contents, a line each
};

struct Prompt {
  std::vector<int> ids;
  ReasoningSplitter::Start answer_start = ReasoningSplitter::Start::kAnswer;  // kThinking: it ends inside <think>

  bool in_thinking() const {
    return answer_start == ReasoningSplitter::Start::kThinking || answer_start == ReasoningSplitter::Start::kInThought;
  }
};

class ChatTemplate {
 public:
  // `source` is the model's template text; "" when it has none: then the family its control tokens belong to, or
  // kPlain. An Error for a text that is of no family known here. The tokenizer must outlive the template.
  static Result<ChatTemplate> detect(std::string_view source, const Tokenizer& tokenizer);

  TemplateFamily family() const { return family_; }
  std::string_view name() const;  // "deepseek-r1", for people

  // The whole conversation, ending where the assistant begins to write, or goes on: behind a last message that is a
  // prefix. kOff closes an empty thought. An Error for roles the family does not know, for a prefix that is not the
  // assistant's last message, and for thoughts asked of a model without <think>.
  Result<Prompt> render(std::span<const ChatMessage> messages, ThinkingMode thinking = ThinkingMode::kModelsOwn,
                        std::span<const ToolDefinition> tools = {}) const;

  // How the model writes calls.
  const ToolSyntax& tool_syntax() const;

  // Tokens that end an open thought wherever it stands: a sentence, </think>, and an empty line.
  std::vector<int> closing_ids() const;

 private:
  class Writer;
  explicit ChatTemplate(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  Status check_markers() const;
  Status check_messages(std::span<const ChatMessage> messages) const;
  Status check_prefix(std::span<const ChatMessage> messages, ThinkingMode thinking) const;
  ReasoningSplitter::Start open_answer(ThinkingMode thinking, Writer& out) const;
  ReasoningSplitter::Start open_prefix(const ChatMessage& prefix, Writer& out) const;
  using Tools = std::span<const ToolDefinition>;
  void write_tools(Tools tools, Writer& out) const;
  void write_calls(std::span<const ToolCall> calls, const ToolSyntax& syntax, Writer& out) const;
  void render_deepseek(std::span<const ChatMessage> messages, Tools tools, Writer& out) const;
  void render_chatml(std::span<const ChatMessage> messages, Tools tools, Writer& out) const;
  void render_llama3(std::span<const ChatMessage> messages, Tools tools, Writer& out) const;
  void render_plain(std::span<const ChatMessage> messages, Tools tools, Writer& out) const;

  const Tokenizer* tokenizer_;
  TemplateFamily family_ = TemplateFamily::kPlain;
  bool forces_thinking_ = false;  // the prompt ends with <think>\n
  bool may_think_ = false;        // else the model may open <think> itself
  bool drops_thinking_ = false;   // from earlier turns
  bool joins_system_ = false;     // DeepSeek: all system messages; without it the last one counts
  bool has_tools_ = false;        // the template knows tool calls and tool outputs
  bool has_dates_ = false;        // Llama 3.1 and later: every system message begins with two dates
  std::string default_system_;    // ChatML: when the conversation has no system message
};

}  // namespace r1
