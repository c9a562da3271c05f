// messages_wire.cpp: an answer as Anthropic's Messages API says it: blocks of thinking, text and tool use, one after
// the other; in a stream each begins, grows and ends. Usage counts cached prompt tokens apart.
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/sha256.h"
#include "serve/answer_wire.h"
#include "serve/json_writer.h"

namespace r1 {
namespace {

OrderedJson messages_usage(const UsageReport& usage) {
  return {{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cached_tokens},
          {"output_tokens", usage.completion_tokens}};
}

// A server that stops is said as a turn that can be gone on with.
std::string_view stop_reason(const AnswerPiece& piece) {
  if (piece.finish_reason == "length") return "max_tokens";
  if (piece.finish_reason == "tool_calls") return "tool_use";
  if (piece.finish_reason == "insufficient_system_resource") return "pause_turn";
  return piece.stop_string.empty() ? "end_turn" : "stop_sequence";
}

OrderedJson stop_json(const AnswerPiece& piece) {
  OrderedJson stop = {{"stop_reason", stop_reason(piece)}, {"stop_sequence", nullptr}};
  if (!piece.stop_string.empty()) stop["stop_sequence"] = piece.stop_string;
  return stop;
}

// What the model wrote as arguments, or, if it was cut off in them, nothing of it: a body has a whole object.
OrderedJson input_of(const std::string& arguments) {
  OrderedJson input = OrderedJson::parse(arguments, nullptr, /*allow_exceptions=*/false);
  return input.is_object() ? input : OrderedJson::object();
}

std::string messages_error(std::string_view openai_body) {
  OrderedJson error = OrderedJson::parse(openai_body, nullptr, /*allow_exceptions=*/false);
  OrderedJson said = {{"type", "error"}};
  if (error.is_object()) said.update(error);
  return said.dump();
}

class MessagesWire final : public AnswerWire {
 public:
  MessagesWire(AnswerHead head, int n_prompt_tokens) : head_(std::move(head)), n_prompt_tokens_(n_prompt_tokens) {}

  void begin(std::string& out, int /*index*/) override {
    UsageReport usage;
    usage.prompt_tokens = n_prompt_tokens_;
    OrderedJson message = message_json(OrderedJson::array(), usage);
    message.update({{"stop_reason", nullptr}, {"stop_sequence", nullptr}});
    append_event(out, "message_start", OrderedJson{{"type", "message_start"}, {"message", std::move(message)}}.dump());
  }

  void piece(std::string& out, const AnswerPiece& piece, const std::optional<UsageReport>& usage) override {
    if (!piece.text.thinking.empty()) {
      open(out, Block::kThinking, R"({"type":"thinking","thinking":"","signature":""})");
      append_delta(out, "thinking_delta", "thinking", piece.text.thinking);
    }
    if (!piece.text.answer.empty()) {
      open(out, Block::kText, R"({"type":"text","text":""})");
      append_delta(out, "text_delta", "text", piece.text.answer);
    }
    for (const ToolCallDelta& call : piece.calls) {
      if (!call.name.empty()) {
        close(out);
        const OrderedJson block = {
            {"type", "tool_use"}, {"id", call_id(call.index)}, {"name", call.name}, {"input", OrderedJson::object()}};
        open(out, Block::kCall, block.dump());
      }
      if (!call.arguments.empty()) append_delta(out, "input_json_delta", "partial_json", call.arguments);
    }
    if (piece.finish_reason.empty()) return;
    close(out);
    OrderedJson end = {{"type", "message_delta"}, {"delta", stop_json(piece)}};
    if (usage) end["usage"] = messages_usage(*usage);
    append_event(out, "message_delta", end.dump());
  }

  void usage_only(std::string& /*out*/, const UsageReport& /*usage*/) override {}
  void end(std::string& out) override { append_event(out, "message_stop", R"({"type":"message_stop"})"); }
  void fail(std::string& out, const HttpResponse& error) override { append_messages_failure(out, error); }

  std::string whole(const std::vector<AnswerPiece>& answers, const UsageReport& usage) override {
    const AnswerPiece& answer = answers.front();
    OrderedJson content = OrderedJson::array();
    if (!answer.text.thinking.empty())
      content.push_back({{"type", "thinking"}, {"thinking", answer.text.thinking}, {"signature", ""}});
    if (!answer.text.answer.empty()) content.push_back({{"type", "text"}, {"text", answer.text.answer}});
    for (const ToolCallDelta& call : answer.calls) {
      content.push_back({{"type", "tool_use"},
                         {"id", call_id(call.index)},
                         {"name", call.name},
                         {"input", input_of(call.arguments)}});
    }
    OrderedJson message = message_json(std::move(content), usage);
    message.update(stop_json(answer));
    return message.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  }

 private:
  enum class Block { kNone, kThinking, kText, kCall };

  OrderedJson message_json(OrderedJson content, const UsageReport& usage) const {
    return {{"id", "msg_" + head_.id},       {"type", "message"},
            {"role", "assistant"},           {"model", head_.model},
            {"content", std::move(content)}, {"usage", messages_usage(usage)}};
  }
  std::string call_id(int call) const {
    return "toolu_" + sha256_hex(fmt::format("{}/{}", head_.id, call)).substr(0, 24);
  }

  void open(std::string& out, Block block, std::string_view content_block) {
    if (open_ == block && block != Block::kCall) return;
    close(out);
    open_ = block;
    append_event(
        out, "content_block_start",
        fmt::format(R"({{"type":"content_block_start","index":{},"content_block":{}}})", index_, content_block));
  }

  void close(std::string& out) {
    if (std::exchange(open_, Block::kNone) == Block::kNone) return;
    append_event(out, "content_block_stop", fmt::format(R"({{"type":"content_block_stop","index":{}}})", index_++));
  }

  void append_delta(std::string& out, std::string_view type, std::string_view field, std::string_view text) const {
    out += "event: content_block_delta\ndata: ";
    out += fmt::format(R"({{"type":"content_block_delta","index":{},"delta":{{"type":"{}","{}":)", index_, type, field);
    append_json_string(out, text);
    out += "}}\n\n";
  }

  const AnswerHead head_;
  const int n_prompt_tokens_;
  Block open_ = Block::kNone;
  int index_ = 0;  // of the open block, or the next
};

void rephrase(HttpResponse& response) {
  if (response.status >= 400) response.body = messages_error(response.body);
}

class RephrasedWhole final : public HttpDeferred {
 public:
  explicit RephrasedWhole(std::unique_ptr<HttpDeferred> inner) : inner_(std::move(inner)) {
    headers = std::move(inner_->headers);
  }
  std::optional<HttpResponse> advance() override {
    std::optional<HttpResponse> response = inner_->advance();
    if (response) rephrase(*response);
    return response;
  }
  HttpResponse interrupt() override {
    HttpResponse response = inner_->interrupt();
    rephrase(response);
    return response;
  }

 private:
  std::unique_ptr<HttpDeferred> inner_;
};

class RephrasedPending final : public HttpPending {
 public:
  explicit RephrasedPending(std::unique_ptr<HttpPending> inner) : inner_(std::move(inner)) {
    headers = std::move(inner_->headers);
  }
  std::optional<HttpReply> advance() override { return rephrased(inner_->advance()); }
  std::optional<HttpReply> show_life() override { return rephrased(inner_->show_life()); }

 private:
  static std::optional<HttpReply> rephrased(std::optional<HttpReply> reply) {
    if (reply) reply = with_messages_errors(*std::move(reply));
    return reply;
  }
  std::unique_ptr<HttpPending> inner_;
};

}  // namespace

HttpReply with_messages_errors(HttpReply reply) {
  if (auto* pending = std::get_if<std::unique_ptr<HttpPending>>(&reply))
    return std::make_unique<RephrasedPending>(std::move(*pending));
  if (auto* whole = std::get_if<std::unique_ptr<HttpDeferred>>(&reply))
    return std::make_unique<RephrasedWhole>(std::move(*whole));
  if (auto* response = std::get_if<HttpResponse>(&reply)) rephrase(*response);
  return reply;
}

void append_messages_failure(std::string& out, const HttpResponse& error) {
  append_event(out, "error", messages_error(error.body));
}

std::unique_ptr<AnswerWire> messages_wire(const AnswerHead& head, int n_prompt_tokens) {
  return std::make_unique<MessagesWire>(head, n_prompt_tokens);
}

}  // namespace r1
