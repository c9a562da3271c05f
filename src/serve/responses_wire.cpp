// responses_wire.cpp: an answer as OpenAI's Responses API says it: items of reasoning, message and function calls; in a
// stream each is added, grows and is done, and every event has a number.
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

OrderedJson responses_usage(const UsageReport& usage) {
  return {{"input_tokens", usage.prompt_tokens},
          {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
          {"output_tokens", usage.completion_tokens},
          {"output_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

std::string text_of(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

// What an object of this API repeats of its request, with the defaults where it said nothing.
OrderedJson repeated(const OrderedJson& asked) {
  OrderedJson said = {{"background", false},
                      {"instructions", nullptr},
                      {"max_output_tokens", nullptr},
                      {"metadata", OrderedJson::object()},
                      {"parallel_tool_calls", true},
                      {"previous_response_id", nullptr},
                      {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
                      {"store", false},
                      {"temperature", nullptr},
                      {"text", {{"format", {{"type", "text"}}}}},
                      {"tool_choice", "auto"},
                      {"tools", OrderedJson::array()},
                      {"top_p", nullptr},
                      {"truncation", "disabled"},
                      {"user", nullptr}};
  for (const char* name : {"instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "reasoning",
                           "temperature", "text", "tool_choice", "tools", "top_p", "user"}) {
    const auto value = asked.find(name);
    if (value != asked.end() && !value->is_null()) said[name] = *value;
  }
  return said;
}

class ResponsesWire final : public AnswerWire {
 public:
  ResponsesWire(AnswerHead head, const OrderedJson& asked) : head_(std::move(head)), repeated_(repeated(asked)) {}

  void begin(std::string& out, int /*index*/) override {
    for (const char* type : {"response.created", "response.in_progress"})
      append(out, type, {{"response", response_json("in_progress", OrderedJson(), OrderedJson())}});
  }

  void piece(std::string& out, const AnswerPiece& piece, const std::optional<UsageReport>& usage) override {
    if (!piece.text.thinking.empty()) grow(out, Kind::kReasoning, piece.text.thinking);
    if (!piece.text.answer.empty()) grow(out, Kind::kMessage, piece.text.answer);
    for (const ToolCallDelta& call : piece.calls) {
      if (!call.name.empty()) open(out, Kind::kCall, call.name);
      if (!call.arguments.empty()) grow(out, Kind::kCall, call.arguments);
    }
    if (!piece.finish_reason.empty()) finish(out, piece, usage);
  }

  void usage_only(std::string& /*out*/, const UsageReport& /*usage*/) override {}
  void end(std::string& /*out*/) override {}
  void fail(std::string& out, const HttpResponse& error) override {
    const OrderedJson body = OrderedJson::parse(error.body);
    OrderedJson response = response_json("failed", OrderedJson(), OrderedJson());
    response["error"] = {{"code", "server_error"}, {"message", body.at("error").at("message")}};
    append(out, "response.failed", {{"response", std::move(response)}});
  }

  std::string whole(const std::vector<AnswerPiece>& answers, const UsageReport& usage) override {
    const AnswerPiece& answer = answers.front();
    std::string unsent;
    piece(unsent, answer, usage);  // the same items
    return text_of(last_);
  }

 private:
  enum class Kind { kNone, kReasoning, kMessage, kCall };

  OrderedJson response_json(std::string_view status, const OrderedJson& incomplete, const OrderedJson& usage) const {
    OrderedJson response = {{"id", "resp_" + head_.id}, {"object", "response"}, {"created_at", head_.created_s},
                            {"status", status},         {"error", nullptr},     {"incomplete_details", incomplete},
                            {"model", head_.model},     {"output", output_},    {"usage", usage}};
    response.update(repeated_);
    return response;
  }

  void append(std::string& out, std::string_view type, const OrderedJson& fields) {
    OrderedJson event = {{"type", type}, {"sequence_number", sequence_number_++}};
    event.update(fields);
    append_event(out, type, text_of(event));
  }

  // An item as it stands; `name` and `text_` are a call's function and arguments.
  OrderedJson item(std::string_view status) const {
    if (kind_ == Kind::kCall) {
      return {{"id", "fc_" + item_id_}, {"type", "function_call"},       {"status", status},
              {"arguments", text_},     {"call_id", "call_" + item_id_}, {"name", name_}};
    }
    OrderedJson content = OrderedJson::array();
    if (!text_.empty()) content.push_back(part(text_));
    if (kind_ == Kind::kReasoning) {
      return {{"id", "rs_" + item_id_},
              {"type", "reasoning"},
              {"summary", OrderedJson::array()},
              {"content", content},
              {"status", status}};
    }
    return {{"id", "msg_" + item_id_},
            {"type", "message"},
            {"status", status},
            {"role", "assistant"},
            {"content", content}};
  }
  OrderedJson part(std::string_view text) const {
    if (kind_ == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
    return {{"type", "output_text"},
            {"text", text},
            {"annotations", OrderedJson::array()},
            {"logprobs", OrderedJson::array()}};
  }
  // What every event about the open item says.
  OrderedJson place() const {
    OrderedJson place = {{"item_id", item("")["id"]}, {"output_index", output_.size()}};
    if (kind_ != Kind::kCall) place["content_index"] = 0;
    return place;
  }
  static std::string event_of(Kind kind) {
    return kind == Kind::kCall      ? "response.function_call_arguments"
           : kind == Kind::kMessage ? "response.output_text"
                                    : "response.reasoning_text";
  }

  void open(std::string& out, Kind kind, std::string_view name) {
    close(out, "completed");
    kind_ = kind;
    name_ = name;
    text_.clear();
    item_id_ = sha256_hex(fmt::format("{}/{}", head_.id, output_.size())).substr(0, 24);
    append(out, "response.output_item.added", {{"output_index", output_.size()}, {"item", item("in_progress")}});
    if (kind == Kind::kCall) return;
    OrderedJson added = place();
    added["part"] = part("");
    append(out, "response.content_part.added", added);
  }

  void grow(std::string& out, Kind kind, std::string_view text) {
    if (kind_ != kind) open(out, kind, "");
    text_ += text;
    OrderedJson delta = place();
    delta["delta"] = text;
    if (kind == Kind::kMessage) delta["logprobs"] = OrderedJson::array();
    append(out, event_of(kind) + ".delta", delta);
  }

  void close(std::string& out, std::string_view status) {
    if (kind_ == Kind::kNone) return;
    OrderedJson done = place();
    done[kind_ == Kind::kCall ? "arguments" : "text"] = text_;
    if (kind_ == Kind::kMessage) done["logprobs"] = OrderedJson::array();
    append(out, event_of(kind_) + ".done", done);
    if (kind_ != Kind::kCall) {
      OrderedJson part_done = place();
      part_done["part"] = part(text_);
      append(out, "response.content_part.done", part_done);
    }
    OrderedJson whole = item(status);
    append(out, "response.output_item.done", {{"output_index", output_.size()}, {"item", whole}});
    output_.push_back(std::move(whole));
    kind_ = Kind::kNone;
  }

  void finish(std::string& out, const AnswerPiece& piece, const std::optional<UsageReport>& usage) {
    const bool is_cut = piece.finish_reason == "length",
               is_stopped = piece.finish_reason == "insufficient_system_resource";
    const char* const status = is_cut || is_stopped ? "incomplete" : "completed";
    close(out, status);
    OrderedJson details;
    if (is_cut) details = {{"reason", "max_output_tokens"}};
    if (is_stopped) details = {{"reason", "server_stopping"}};
    last_ = response_json(status, details, usage ? responses_usage(*usage) : OrderedJson());
    append(out, std::string("response.") + status, {{"response", last_}});
  }

  const AnswerHead head_;
  const OrderedJson repeated_;
  OrderedJson output_ = OrderedJson::array();  // items that are done
  OrderedJson last_;
  Kind kind_ = Kind::kNone;  // of the open item
  std::string item_id_, name_, text_;
  int sequence_number_ = 0;
};

}  // namespace

// Nothing was created that could be said to have failed.
void append_responses_failure(std::string& out, const HttpResponse& error) {
  const OrderedJson body = OrderedJson::parse(error.body);
  OrderedJson event = {{"type", "error"}, {"sequence_number", 0}};
  for (const char* name : {"code", "message", "param"}) event[name] = body.at("error").at(name);
  append_event(out, "error", text_of(event));
}

std::unique_ptr<AnswerWire> responses_wire(const AnswerHead& head, const OrderedJson& asked) {
  return std::make_unique<ResponsesWire>(head, asked);
}

}  // namespace r1
