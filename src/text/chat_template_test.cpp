// chat_template_test.cpp: conversations become what the models' own templates make of them (golden/chat, made by
// tools/golden/make_chat_goldens.py), where those are right; and people's text stays text.
#include "text/chat_template.h"

#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tests/vocabularies.h"
#include "text/hf_vocabulary.h"

namespace r1 {
namespace {

using Start = ReasoningSplitter::Start;

// Of each template text what tells it from the others.
const std::map<std::string, std::string> kSources = {
    {"deepseek-r1",
     R"({% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}
        <｜tool▁calls▁begin｜> {% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜><think>\n'}}{% endif %})"},
    {"deepseek-v3",
     R"({%- if ns.is_first_sp %}...{%- endif %} <｜tool▁calls▁begin｜>
        {% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜>'}}{% endif %})"},
    {"llama3", "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' %}"},
    {"llama3_2",
     R"({{- "<|start_header_id|>ipython<|end_header_id|>" }} {{- "Cutting Knowledge Date: December 2023\n" }})"},
    {"qwen2_5",
     R"({{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }} {{- '\n<tool_response>\n' }}
        {{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }})"},
    {"smollm2",
     R"({% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}})"},
};

struct Golden {
  std::string source, text;
  std::vector<ChatMessage> messages;
  std::vector<int> ids;  // empty: not recorded
};

std::vector<Golden> read_goldens() {
  std::vector<Golden> goldens;
  std::istringstream lines(read_file(R1_SOURCE_DIR "/tests/golden/chat/rendered.jsonl", 1 << 24).value());
  for (std::string line; std::getline(lines, line);) {
    const Json row = parse_json(line, "rendered.jsonl").value();
    Golden golden{row["template"], row["text"], {}, row.value("ids", std::vector<int>())};
    for (const Json& message : row["messages"]) {
      golden.messages.push_back({message["role"], message["content"], {}});
      for (const Json& call : message["tool_calls"])
        golden.messages.back().tool_calls.push_back({call["type"], call["name"], call["arguments"]});
    }
    goldens.push_back(std::move(golden));
  }
  return goldens;
}

// The small vocabulary with the BOS of the family.
Tokenizer tokenizer_for(const std::string& source) {
  Vocabulary vocabulary = small_vocabulary();
  if (source.starts_with("llama3")) {
    const auto bos = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), "<|begin_of_text|>");
    vocabulary.bos_id = static_cast<int>(bos - vocabulary.tokens.begin());
  }
  return Tokenizer::from_vocabulary(std::move(vocabulary)).value();
}

std::string rendered(const std::string& source, const std::vector<ChatMessage>& messages) {
  const Tokenizer tokenizer = tokenizer_for(source);
  const ChatTemplate chat = ChatTemplate::detect(kSources.at(source), tokenizer).value();
  return tokenizer.decode(chat.render(messages).value().ids, Tokenizer::ControlTokens::kShow);
}

TEST(ChatTemplate, RendersWhatTheModelsOwnTemplatesRender) {
  const std::vector<Golden> goldens = read_goldens();
  EXPECT_EQ(goldens.size(), 62u);
  for (const Golden& golden : goldens)
    EXPECT_EQ(rendered(golden.source, golden.messages), golden.text) << golden.source;
}

void expect_ids_of(const std::string& source, std::size_t n_expected) {
  const std::string folder = npm_tokenizer_folder(source == "deepseek-v3" ? "deepseek_v3" : source);
  R1_SKIP_WITHOUT_NPM(folder);
  const Tokenizer tokenizer = Tokenizer::from_hf_folder(folder).value();
  const ChatTemplate chat = ChatTemplate::detect(chat_template_from_hf_folder(folder).value(), tokenizer).value();
  std::size_t n = 0;
  for (const Golden& golden : read_goldens()) {
    if (golden.source != source) continue;
    EXPECT_EQ(chat.render(golden.messages).value().ids, golden.ids) << golden.text;
    ++n;
  }
  EXPECT_EQ(n, n_expected);
}

TEST(ChatTemplate, IdsAreThoseOfDeepSeekV3) { expect_ids_of("deepseek-v3", 11); }
TEST(ChatTemplate, IdsAreThoseOfLlama3) { expect_ids_of("llama3", 9); }
TEST(ChatTemplate, IdsAreThoseOfQwen2) { expect_ids_of("qwen2_5", 11); }

TEST(ChatTemplate, HiCostsSixPromptTokensAsAtDeepSeek) {
  const std::string folder = npm_tokenizer_folder("deepseek_v3");
  R1_SKIP_WITHOUT_NPM(folder);
  Vocabulary vocabulary = vocabulary_from_hf_folder(folder).value();
  vocabulary.tokens[128798] = "<think>";  // where R1 has them; V3 keeps the places free
  vocabulary.tokens[128799] = "</think>";
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
  const ChatTemplate chat = ChatTemplate::detect(kSources.at("deepseek-r1"), tokenizer).value();
  const std::vector<ChatMessage> messages = {{"user", "Hi", {}}};
  EXPECT_EQ(chat.render(messages).value().ids, (std::vector<int>{0, 128803, 23166, 128804, 128798, 201}));
}

std::string rendered_as(const std::string& source, const ChatMessage& last, ThinkingMode thinking,
                        ReasoningSplitter::Start* start = nullptr) {
  const Tokenizer tokenizer = tokenizer_for(source);
  const ChatTemplate chat = ChatTemplate::detect(kSources.at(source), tokenizer).value();
  const std::vector<ChatMessage> messages = {{"user", "hi", {}}, last};
  const std::span<const ChatMessage> all(messages);
  const Result<Prompt> prompt = chat.render(last.role.empty() ? all.first(1) : all, thinking);
  if (!prompt.ok()) return "error: " + prompt.error().message;
  if (start != nullptr) *start = prompt->answer_start;
  return tokenizer.decode(prompt->ids, Tokenizer::ControlTokens::kShow);
}

TEST(ChatTemplate, ThinkingCanBeSwitched) {
  Start start = Start::kThinking;
  EXPECT_EQ(rendered_as("deepseek-r1", {}, ThinkingMode::kOff, &start),
            "<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜><think>\n\n</think>\n\n");
  EXPECT_EQ(start, Start::kAnswer);
  EXPECT_TRUE(rendered_as("qwen2_5", {}, ThinkingMode::kOn, &start).ends_with("<|im_start|>assistant\n<think>\n"));
  EXPECT_EQ(start, Start::kThinking);
  EXPECT_EQ(rendered_as("deepseek-r1", {}, ThinkingMode::kOn),
            rendered_as("deepseek-r1", {}, ThinkingMode::kModelsOwn));
  Vocabulary without = small_vocabulary();
  for (std::string& token : without.tokens)
    if (token == "<think>") token = "<other>";
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(without)).value();
  const ChatTemplate chat = ChatTemplate::detect(kSources.at("qwen2_5"), tokenizer).value();
  const std::vector<ChatMessage> messages = {{"user", "hi", {}}};
  EXPECT_EQ(chat.render(messages, ThinkingMode::kOn).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(chat.render(messages, ThinkingMode::kOff)->ids, chat.render(messages)->ids) << "nothing to switch off";
}

TEST(ChatTemplate, APrefixIsContinuedWhereItEnds) {
  ChatMessage prefix{"assistant", "The ans", {}};
  prefix.is_prefix = true;
  const std::string asked = "<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜>";
  Start start = Start::kUndecided;
  EXPECT_EQ(rendered_as("deepseek-r1", prefix, ThinkingMode::kModelsOwn, &start), asked + "The ans");
  EXPECT_EQ(start, Start::kAnswer);
  prefix.thinking = "Let me";
  EXPECT_EQ(rendered_as("deepseek-r1", prefix, ThinkingMode::kModelsOwn, &start),
            asked + "<think>\nLet me\n</think>\n\nThe ans");
  EXPECT_EQ(start, Start::kAnswer);
  prefix.content.clear();
  EXPECT_EQ(rendered_as("deepseek-r1", prefix, ThinkingMode::kModelsOwn, &start), asked + "<think>\nLet me");
  EXPECT_EQ(start, Start::kInThought);
  EXPECT_TRUE(rendered_as("deepseek-r1", prefix, ThinkingMode::kOff).starts_with("error: messages[1]"));
  EXPECT_TRUE(rendered_as("qwen2_5", prefix, ThinkingMode::kOn).ends_with("assistant\n<think>\nLet me"));
  prefix.role = "user";
  EXPECT_TRUE(rendered_as("deepseek-r1", prefix, ThinkingMode::kModelsOwn).starts_with("error: messages[1]"));
}

TEST(ChatTemplate, WhatPeopleWriteIsNeverAControlToken) {
  for (const auto& [source, text] : kSources) {
    const Tokenizer tokenizer = tokenizer_for(source);
    const ChatTemplate chat = ChatTemplate::detect(text, tokenizer).value();
    std::string every_name;
    for (int id = 0; id < tokenizer.vocab_size(); ++id) {
      if (tokenizer.kind(id) != TokenKind::kNormal) every_name += tokenizer.token_bytes(id);
    }
    const auto control_ids = [&](const std::string& content) {
      std::vector<int> ids;
      const std::vector<ChatMessage> messages = {{"system", content, {}}, {"user", content, {}}, {"user", content, {}}};
      const Prompt prompt = chat.render(messages).value();
      for (const int id : prompt.ids) {
        if (tokenizer.kind(id) != TokenKind::kNormal) ids.push_back(id);
      }
      return ids;
    };
    EXPECT_EQ(control_ids(every_name), control_ids("x")) << source;
  }
}

TEST(ChatTemplate, SaysHowTheAnswerStarts) {
  Vocabulary without_think = small_vocabulary();
  for (std::string& token : without_think.tokens) {
    if (token == "<think>" || token == "</think>") token += "!";
  }
  const Tokenizer thinker = tokenizer_for("deepseek-r1"), other = Tokenizer::from_vocabulary(without_think).value();
  const std::vector<ChatMessage> messages = {{"user", "Hi", {}}};
  const auto start = [&](const std::string& source, const Tokenizer& tokenizer) {
    return ChatTemplate::detect(source, tokenizer).value().render(messages).value().answer_start;
  };
  EXPECT_EQ(start(kSources.at("deepseek-r1"), thinker), Start::kThinking);
  EXPECT_EQ(start("</think> {{'<｜Assistant｜>'}}", thinker), Start::kUndecided) << "the first of R1's templates";
  EXPECT_EQ(start("", thinker), Start::kThinking) << "no template: R1's tokens tell";
  EXPECT_EQ(start(kSources.at("smollm2"), other), Start::kAnswer);
  EXPECT_EQ(start("'<|im_start|>assistant\\n<think>\\n'", other), Start::kThinking) << "QwQ";
  EXPECT_EQ(start("'<|im_start|>assistant\\n' <think>", other), Start::kUndecided) << "Qwen3";
}

TEST(ChatTemplate, DeepSeeksMistakesAroundToolsAreNotRepeated) {
  const ToolCall f{"function", "f", R"({"x":1})"}, g{"function", "g", "{}"};
  const std::string open = "<｜begin▁of▁sentence｜><｜User｜>A<｜Assistant｜>",
                    close = "<｜tool▁calls▁end｜><｜end▁of▁sentence｜>";
  const std::string call_f = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"x\":1}\n```<｜tool▁call▁end｜>";
  const std::string call_g = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜>";
  const auto outputs = [](const std::string& content) {
    return "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>" + content + "<｜tool▁output▁end｜><｜tool▁outputs▁end｜>";
  };
  const std::string one = open + "<｜tool▁calls▁begin｜>" + call_f + close;
  EXPECT_EQ(rendered("deepseek-r1", {{"user", "A", {}}, {"assistant", "", {f}}, {"tool", "R", {}}}),
            one + outputs("R"));
  EXPECT_EQ(rendered("deepseek-v3", {{"user", "A", {}}, {"assistant", "", {f, g, f}}}),
            open + "<｜tool▁calls▁begin｜>" + call_f + "\n" + call_g + "\n" + call_f + close + "<｜Assistant｜>");
  EXPECT_EQ(
      rendered(
          "deepseek-v3",
          {{"user", "A", {}}, {"assistant", "", {f}}, {"tool", "R", {}}, {"assistant", "", {g}}, {"tool", "S", {}}}),
      one + outputs("R") + "<｜tool▁calls▁begin｜>" + call_g + close + outputs("S"))
      << "the second round is opened like the first";
  EXPECT_EQ(rendered("deepseek-v3", {{"user", "A", {}}, {"assistant", "", {f}}, {"tool", "R", {}}, {"user", "B", {}}}),
            one + outputs("R") + "<｜User｜>B<｜Assistant｜>")
      << "a user may speak after an output";
  EXPECT_EQ(rendered("deepseek-r1", {{"user", "A", {}},
                                     {"assistant", "a</think>I look.", {f}},
                                     {"tool", "R", {}},
                                     {"assistant", "b</think>c", {}}}),
            open + "I look.<｜tool▁calls▁begin｜>" + call_f + close + outputs("R") +
                "c<｜end▁of▁sentence｜><｜Assistant｜><think>\n");
}

TEST(ChatTemplate, AfterToolOutputsDeepSeekGoesOnWithoutANewTurn) {
  const Tokenizer tokenizer = tokenizer_for("deepseek-r1");
  const ChatTemplate chat = ChatTemplate::detect(kSources.at("deepseek-r1"), tokenizer).value();
  const std::vector<ChatMessage> messages = {
      {"user", "A", {}}, {"assistant", "", {{"function", "f", "{}"}}}, {"tool", "R", {}}};
  EXPECT_EQ(chat.render(messages).value().answer_start, Start::kUndecided);
}

TEST(ChatTemplate, DistillsSpellOutTheToolTokensTheyLack) {
  Vocabulary vocabulary = small_vocabulary();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.tokens[id].starts_with("<｜tool")) vocabulary.kinds[id] = TokenKind::kUnused;
  }
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary)).value();
  const ChatTemplate chat = ChatTemplate::detect(kSources.at("deepseek-r1"), tokenizer).value();
  const std::vector<ChatMessage> messages = {{"tool", "R", {}}};
  EXPECT_EQ(tokenizer.decode(chat.render(messages).value().ids),
            "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>R<｜tool▁output▁end｜><｜tool▁outputs▁end｜>");
}

TEST(ChatTemplate, WhatAFamilyDoesNotKnowIsAnErrorThatNamesIt) {
  const Tokenizer tokenizer = tokenizer_for("smollm2");
  const auto error_of = [&](const std::string& source, const std::vector<ChatMessage>& messages) {
    const Result<Prompt> prompt = ChatTemplate::detect(kSources.at(source), tokenizer).value().render(messages);
    return prompt.ok() ? std::string("no error") : prompt.error().message;
  };
  EXPECT_NE(error_of("qwen2_5", {{"user", "A", {}}, {"wizard", "B", {}}}).find("messages[1]: role 'wizard'"),
            std::string::npos);
  EXPECT_NE(error_of("qwen2_5", {{"user", "A", {{"function", "f", "{}"}}}}).find("only an assistant"),
            std::string::npos);
}

TEST(ChatTemplate, ToolsAreDescribedOnceAndCallsShownAsTheyAreToBeWritten) {
  const std::vector<ToolDefinition> tools = {{"f", "says \"f\"", R"({"type":"object"})"}, {"g", "", "{}"}};
  const std::vector<ChatMessage> messages = {{"user", "zebra", {}},
                                             {"assistant", "", {{"function", "f", R"({"x":1})"}}},
                                             {"tool", "R", {}},
                                             {"user", "B", {}}};
  for (const std::string source : {"deepseek-r1", "deepseek-v3", "qwen2_5", "smollm2", "llama3_2"}) {
    const Tokenizer tokenizer = tokenizer_for(source);
    const ChatTemplate chat = ChatTemplate::detect(kSources.at(source), tokenizer).value();
    const auto text = [&](std::span<const ToolDefinition> given) {
      return tokenizer.decode(chat.render(messages, ThinkingMode::kModelsOwn, given).value().ids,
                              Tokenizer::ControlTokens::kShow);
    };
    const std::string with = text(tools), without = text({});
    EXPECT_NE(with.find(R"({"name": "f", "description": "says \"f\"", "parameters": {"type":"object"}})"),
              std::string::npos)
        << with;
    EXPECT_EQ(with.find("# Tools"), with.rfind("# Tools"));
    EXPECT_LT(with.find("# Tools"), with.find("zebra")) << "before the conversation";
    EXPECT_EQ(without.find("# Tools"), std::string::npos);
    const ToolSyntax& syntax = chat.tool_syntax();
    const std::string call = std::string(syntax.before_name) + "f" + std::string(syntax.before_arguments) +
                             R"({"x":1})" + std::string(syntax.after_arguments);
    EXPECT_NE(with.find(call), std::string::npos) << with;
  }
}

TEST(ChatTemplate, UnknownTemplatesAndMissingTokensAreErrors) {
  const Tokenizer tokenizer = tokenizer_for("smollm2");
  const auto error_of = [](const Result<ChatTemplate>& chat) {
    return chat.ok() ? std::string("no error") : chat.error().message;
  };
  EXPECT_NE(error_of(ChatTemplate::detect("{{ '[INST] ' }}", tokenizer)).find("it begins '{{ '[INST] ' }}'"),
            std::string::npos);
  EXPECT_NE(error_of(ChatTemplate::detect("{{'<｜Assistant｜></think>'}}", tokenizer)), "no error") << "V3.1";
  Vocabulary bare = small_vocabulary();
  bare.kinds.assign(bare.kinds.size(), TokenKind::kNormal);
  const Tokenizer bare_tokenizer = Tokenizer::from_vocabulary(std::move(bare)).value();
  EXPECT_NE(error_of(ChatTemplate::detect(kSources.at("llama3"), bare_tokenizer)).find("no token <|start_header_id|>"),
            std::string::npos);
}

TEST(ChatTemplate, WithoutATemplateTheTokensTellOrTheTextIsPlain) {
  const Tokenizer tokenizer = tokenizer_for("deepseek-r1");
  EXPECT_EQ(ChatTemplate::detect("", tokenizer).value().name(), "deepseek-r1");
  Vocabulary bare = small_vocabulary();
  bare.kinds.assign(bare.kinds.size(), TokenKind::kNormal);
  const Tokenizer bare_tokenizer = Tokenizer::from_vocabulary(std::move(bare)).value();
  const ChatTemplate plain = ChatTemplate::detect(" \n", bare_tokenizer).value();
  EXPECT_EQ(plain.family(), TemplateFamily::kPlain);
  const std::vector<ChatMessage> messages = {{"system", "a", {}}, {"user", "b", {}}};
  const std::vector<int> ids = plain.render(messages).value().ids;
  EXPECT_EQ(ids.front(), bare_tokenizer.bos_id());
  EXPECT_EQ(bare_tokenizer.decode(std::span(ids).subspan(1)), "a\nb");
}

}  // namespace
}  // namespace r1
