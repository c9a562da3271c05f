// answer_wire.cpp: written by appending; the part that all chunks share is made once.
#include "serve/answer_wire.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/sha256.h"
#include "serve/json_writer.h"

namespace r1 {
namespace {

// {"id":…,"object":…,"created":…,"model":…,"system_fingerprint":… without the closing brace.
std::string head_json(const AnswerHead& head, std::string_view object) {
  std::string json = R"({"id":)";
  append_json_string(json, head.id);
  json += fmt::format(R"(,"object":"{}","created":{},"model":)", object, head.created_s);
  append_json_string(json, head.model);
  json += R"(,"system_fingerprint":)";
  append_json_string(json, head.fingerprint);
  return json;
}

void append_number(std::string& out, int number) { fmt::format_to(std::back_inserter(out), "{}", number); }

void append_usage(std::string& out, const UsageReport& usage) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                 R"("prompt_tokens_details":{{"cached_tokens":{}}},)"
                 R"("completion_tokens_details":{{"reasoning_tokens":{}}},)"
                 R"("prompt_cache_hit_tokens":{},"prompt_cache_miss_tokens":{}}})",
                 usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens + usage.completion_tokens,
                 usage.cached_tokens, usage.reasoning_tokens, usage.cached_tokens,
                 usage.prompt_tokens - usage.cached_tokens);
}

void append_usage_or_null(std::string& out, const std::optional<UsageReport>& usage) {
  out += R"(,"usage":)";
  if (usage)
    append_usage(out, *usage);
  else
    out += "null";
}

void append_finish_reason(std::string& out, std::string_view reason, std::string_view detail) {
  out += R"(,"finish_reason":)";
  if (reason.empty())
    out += "null";
  else
    append_json_string(out, reason);
  if (detail.empty()) return;
  out += R"(,"finish_detail":)";
  append_json_string(out, detail);
}

void append_logprob(std::string& out, float logprob) {
  // DeepSeek's figure for what is off the scale; JSON has no infinity.
  fmt::format_to(std::back_inserter(out), "{:.6g}", logprob > -9999.0f ? logprob : -9999.0f);
}

void append_token(std::string& out, std::string_view bytes, float logprob) {
  out += R"("token":)";
  append_json_string(out, bytes);
  out += R"(,"logprob":)";
  append_logprob(out, logprob);
  out += R"(,"bytes":[)";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) out += ',';
    append_number(out, static_cast<unsigned char>(bytes[i]));
  }
  out += ']';
}

void append_tokens(std::string& out, const std::vector<TokenReport>& tokens) {
  out += '[';
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    out += i > 0 ? ",{" : "{";
    append_token(out, tokens[i].bytes, tokens[i].logprob);
    out += R"(,"top_logprobs":[)";
    for (std::size_t j = 0; j < tokens[i].top.size(); ++j) {
      out += j > 0 ? ",{" : "{";
      append_token(out, tokens[i].top[j].bytes, tokens[i].top[j].logprob);
      out += '}';
    }
    out += "]}";
  }
  out += ']';
}

std::size_t n_characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

class Chunks : public AnswerWire {
 protected:
  Chunks(const AnswerHead& head, std::string_view chunk_object, std::string_view whole_object)
      : chunk_object_(chunk_object),
        whole_object_(whole_object),
        chunk_head_("data: " + head_json(head, chunk_object) + R"(,"choices":[)") {}

  void usage_only(std::string& out, const UsageReport& usage) override {
    out += chunk_head_;
    end_chunk(out, usage);
  }

  void begin_choice(std::string& out, int index) const {
    out += chunk_head_;
    out += R"({"index":)";
    append_number(out, index);
  }
  static void end_choice(std::string& out, std::string_view finish_reason, const std::optional<UsageReport>& usage,
                         std::string_view finish_detail = "") {
    append_finish_reason(out, finish_reason, finish_detail);
    out += '}';
    end_chunk(out, usage);
  }

  std::string body(const std::string& choices, const UsageReport& usage) const {
    std::string out = chunk_head_.substr(std::string_view("data: ").size());
    const std::string object = fmt::format("\"{}\"", chunk_object_);
    out.replace(out.find(object), object.size(), fmt::format("\"{}\"", whole_object_));
    out += choices;
    out += ']';
    append_usage_or_null(out, usage);
    return out + '}';
  }

 private:
  static void end_chunk(std::string& out, const std::optional<UsageReport>& usage) {
    out += ']';
    append_usage_or_null(out, usage);
    out += "}\n\n";
  }

  const std::string_view chunk_object_, whole_object_;
  const std::string chunk_head_;  // one of them is kept: streams by the thousand wait for their next token
};

// ---- /chat/completions --------------------------------------------------------------------------------------------

class ChatWire final : public Chunks {
 public:
  ChatWire(const AnswerHead& head, ChatWireOptions options)
      : Chunks(head, "chat.completion.chunk", "chat.completion"), id_(head.id), options_(options) {}

  void begin(std::string& out, int index) override {
    begin_choice(out, index);
    out += options_.thinks ? R"(,"delta":{"role":"assistant","content":null,"reasoning_content":""},"logprobs":null)"
                           : R"(,"delta":{"role":"assistant","content":"","reasoning_content":null},"logprobs":null)";
    end_choice(out, "", std::nullopt);
  }

  void piece(std::string& out, const AnswerPiece& piece, const std::optional<UsageReport>& usage) override {
    if (!piece.text.thinking.empty()) {
      begin_choice(out, piece.index);
      out += R"(,"delta":{"content":null,"reasoning_content":)";
      append_json_string(out, piece.text.thinking);
      out += '}';
      append_logprobs(out, nullptr, &piece.thinking_tokens);
      end_choice(out, "", std::nullopt);
    }
    if (!piece.text.answer.empty()) {
      begin_choice(out, piece.index);
      out += R"(,"delta":{"content":)";
      append_json_string(out, piece.text.answer);
      out += R"(,"reasoning_content":null})";
      append_logprobs(out, &piece.answer_tokens, nullptr);
      end_choice(out, "", std::nullopt);
    }
    if (!piece.calls.empty()) {
      begin_choice(out, piece.index);
      out += R"(,"delta":{"content":null,"reasoning_content":null,"tool_calls":)";
      append_calls(out, piece, /*is_delta=*/true);
      out += '}';
      const bool is_reported = !piece.text.answer.empty();  // the tokens, with the text
      append_logprobs(out, is_reported ? nullptr : &piece.answer_tokens, nullptr);
      end_choice(out, "", std::nullopt);
    }
    if (!piece.finish_reason.empty()) {
      begin_choice(out, piece.index);
      out += R"(,"delta":{"content":"","reasoning_content":null},"logprobs":null)";
      end_choice(out, piece.finish_reason, usage, piece.finish_detail);
    }
  }

  std::string whole(const std::vector<AnswerPiece>& answers, const UsageReport& usage) override {
    std::string choices;
    for (const AnswerPiece& answer : answers) {
      if (!choices.empty()) choices += ',';
      choices += R"({"index":)";
      append_number(choices, answer.index);
      choices += R"(,"message":{"role":"assistant","content":)";
      if (answer.calls.empty() || !answer.text.answer.empty())
        append_json_string(choices, answer.text.answer);
      else
        choices += "null";
      choices += R"(,"reasoning_content":)";
      if (options_.thinks || !answer.text.thinking.empty())
        append_json_string(choices, answer.text.thinking);
      else
        choices += "null";
      choices += R"(,"refusal":null)";
      if (!answer.calls.empty()) append_calls(choices += R"(,"tool_calls":)", answer, /*is_delta=*/false);
      choices += '}';
      append_logprobs(choices, &answer.answer_tokens, &answer.thinking_tokens);
      append_finish_reason(choices, answer.finish_reason, answer.finish_detail);
      choices += '}';
    }
    return body(choices, usage);
  }

 private:
  // A delta has the call's index, and the rest of its head once.
  void append_calls(std::string& out, const AnswerPiece& piece, bool is_delta) const {
    for (const ToolCallDelta& call : piece.calls) {
      out += &call == &piece.calls.front() ? "[{" : ",{";
      if (is_delta) fmt::format_to(std::back_inserter(out), R"("index":{},)", call.index);
      if (!call.name.empty())
        fmt::format_to(std::back_inserter(out), R"("id":"{}","type":"function",)", call_id(piece.index, call.index));
      out += R"("function":{)";
      if (!call.name.empty()) append_json_string(out += R"("name":)", call.name);
      append_json_string(out += call.name.empty() ? R"("arguments":)" : R"(,"arguments":)", call.arguments);
      out += "}}";
    }
    out += ']';
  }

  // As DeepSeek's look: call_00_ and 24 letters, here those of a hash of the answer and the call.
  std::string call_id(int answer, int call) const {
    const std::string hash = sha256_hex(fmt::format("{}/{}/{}", id_, answer, call));
    return fmt::format("call_{:02}_{}", call, hash.substr(0, 24));
  }

  void append_logprobs(std::string& out, const std::vector<TokenReport>* content,
                       const std::vector<TokenReport>* thinking) const {
    if (!options_.logprobs) {
      out += R"(,"logprobs":null)";
      return;
    }
    const auto append = [&](const std::vector<TokenReport>* tokens) {
      if (tokens != nullptr)
        append_tokens(out, *tokens);
      else
        out += "null";
    };
    out += R"(,"logprobs":{"content":)";
    append(content);
    out += R"(,"reasoning_content":)";
    append(thinking);
    out += R"(,"refusal":null})";
  }

  const std::string id_;
  const ChatWireOptions options_;
};

// ---- /completions -------------------------------------------------------------------------------------------------

class TextWire final : public Chunks {
 public:
  TextWire(const AnswerHead& head, TextWireOptions options)
      : Chunks(head, "text_completion", "text_completion"), options_(std::move(options)) {}

  void begin(std::string& out, int index) override {
    if (static_cast<std::size_t>(index) >= offsets_.size()) offsets_.resize(static_cast<std::size_t>(index) + 1, 0);
    if (!options_.echoed.empty() && !options_.scores_prompt) append_echo(out, index, {});
  }

  void piece(std::string& out, const AnswerPiece& piece, const std::optional<UsageReport>& usage) override {
    if (!piece.prompt_tokens.empty()) append_echo(out, piece.index, piece.prompt_tokens);
    const bool is_empty = piece.text.answer.empty() && piece.answer_tokens.empty() && piece.finish_reason.empty();
    if (!is_empty) append_choice(out, piece, usage);
  }

  std::string whole(const std::vector<AnswerPiece>& answers, const UsageReport& usage) override {
    std::string choices;
    for (const AnswerPiece& answer : answers) {
      if (!choices.empty()) choices += ',';
      choices += R"({"index":)";
      append_number(choices, answer.index);
      choices += R"(,"text":)";
      append_json_string(choices, options_.echoed + answer.text.answer);
      std::vector<TokenReport> tokens = answer.prompt_tokens;
      tokens.insert(tokens.end(), answer.answer_tokens.begin(), answer.answer_tokens.end());
      append_logprobs(choices, tokens, options_.scores_prompt ? 0 : n_characters(options_.echoed));
      append_finish_reason(choices, answer.finish_reason, answer.finish_detail);
      choices += '}';
    }
    return body(choices, usage);
  }

 private:
  void append_echo(std::string& out, int index, const std::vector<TokenReport>& tokens) {
    AnswerPiece echoed;
    echoed.index = index;
    echoed.text.answer = options_.echoed;
    echoed.answer_tokens = tokens;
    append_choice(out, echoed, std::nullopt);
  }

  void append_choice(std::string& out, const AnswerPiece& piece, const std::optional<UsageReport>& usage) {
    begin_choice(out, piece.index);
    out += R"(,"text":)";
    append_json_string(out, piece.text.answer);
    std::size_t& offset = offsets_[static_cast<std::size_t>(piece.index)];
    append_logprobs(out, piece.answer_tokens, offset);
    offset += n_characters(piece.text.answer);
    end_choice(out, piece.finish_reason, usage, piece.finish_detail);
  }

  // OpenAI's older form: parallel arrays, and where in the text each token begins.
  void append_logprobs(std::string& out, const std::vector<TokenReport>& tokens, std::size_t offset) const {
    if (!options_.logprobs) {
      out += R"(,"logprobs":null)";
      return;
    }
    std::string texts, logprobs, tops, offsets;
    for (const TokenReport& token : tokens) {
      const char* const comma = texts.empty() ? "" : ",";
      append_json_string(texts += comma, token.bytes);
      fmt::format_to(std::back_inserter(offsets += comma), "{}", offset);
      if (token.is_in_text) offset += n_characters(token.bytes);
      logprobs += comma;
      tops += comma;
      if (!token.has_logprob) {
        logprobs += "null";
        tops += "null";
        continue;
      }
      append_logprob(logprobs, token.logprob);
      append_alternatives(tops, token);
    }
    fmt::format_to(std::back_inserter(out),
                   R"(,"logprobs":{{"tokens":[{}],"token_logprobs":[{}],"top_logprobs":[{}],"text_offset":[{}]}})",
                   texts, logprobs, tops, offsets);
  }

  // By their text: of several that look the same in JSON (parts of a character) the likeliest.
  static void append_alternatives(std::string& out, const TokenReport& token) {
    std::vector<std::string> texts;
    out += '{';
    for (const TokenReport::Alternative& other : token.top) {
      std::string text;
      append_json_string(text, other.bytes);
      if (std::find(texts.begin(), texts.end(), text) != texts.end()) continue;
      out += texts.empty() ? "" : ",";
      out += text + ':';
      append_logprob(out, other.logprob);
      texts.push_back(std::move(text));
    }
    out += '}';
  }

  const TextWireOptions options_;
  std::vector<std::size_t> offsets_;  // [n] characters of text so far
};

}  // namespace

std::unique_ptr<AnswerWire> chat_wire(const AnswerHead& head, ChatWireOptions options) {
  return std::make_unique<ChatWire>(head, options);
}

std::unique_ptr<AnswerWire> text_wire(const AnswerHead& head, TextWireOptions options) {
  return std::make_unique<TextWire>(head, std::move(options));
}

void AnswerWire::end(std::string& out) { append_event(out, "[DONE]"); }
void AnswerWire::fail(std::string& out, const HttpResponse& error) { append_failure(out, error); }

void append_event(std::string& out, std::string_view json) { out.append("data: ").append(json).append("\n\n"); }
void append_event(std::string& out, std::string_view name, std::string_view json) {
  out.append("event: ").append(name).append("\n");
  append_event(out, json);
}
void append_failure(std::string& out, const HttpResponse& error) { append_event(out, error.body); }

}  // namespace r1
