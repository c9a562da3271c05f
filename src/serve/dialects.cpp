// dialects.cpp: one reader a dialect; where a value has the same form in both, it is passed on unread and checked with
// the chat's.
#include "serve/dialects.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/parameter_errors.h"

namespace r1 {
namespace {

const OrderedJson kAbsent;

const OrderedJson& at(const OrderedJson& object, const char* name) {
  if (!object.is_object()) return kAbsent;
  const auto found = object.find(name);
  return found == object.end() ? kAbsent : *found;
}

std::string type_of(const OrderedJson& object) {
  const OrderedJson& type = at(object, "type");
  return type.is_string() ? type.get<std::string>() : "";
}

ApiError expected(const std::string& place, const char* wanted) {
  return {400, fmt::format("'{}' must be {}", place, wanted), place, "invalid_type"};
}

ApiError not_here(const std::string& place, const std::string& type) {
  return unsupported(place, fmt::format("'{}': \"{:.40}\" is not understood here", place, type));
}

// Same value, perhaps another name.
void pass(const OrderedJson& from, const char* name, OrderedJson& chat, const char* chat_name) {
  if (const OrderedJson& value = at(from, name); !value.is_null()) chat[chat_name] = value;
}

// A text, or parts of the types `texts` that are put together.
MaybeError read_text(const OrderedJson& source, const std::string& place, std::initializer_list<const char*> texts,
                     std::string& text) {
  if (source.is_string()) {
    text += source.get_ref<const std::string&>();
    return {};
  }
  if (!source.is_array()) return expected(place, "a string or an array");
  for (std::size_t i = 0; i < source.size(); ++i) {
    const std::string where = fmt::format("{}[{}]", place, i), type = type_of(source[i]);
    if (std::find(texts.begin(), texts.end(), type) == texts.end()) return not_here(where + ".type", type);
    const OrderedJson& part = at(source[i], "text");
    if (!part.is_string()) return expected(where + ".text", "a string");
    text += part.get_ref<const std::string&>();
  }
  return {};
}

OrderedJson tool_call(const OrderedJson& name, const std::string& arguments) {
  return {{"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
}

// ---- Messages -----------------------------------------------------------------------------------------------------

class MessagesReader {
 public:
  explicit MessagesReader(const OrderedJson& body) : body_(body) {}

  MaybeError read(OrderedJson& chat) {
    if (at(body_, "max_tokens").is_null()) return ApiError{400, "'max_tokens' is missing", "max_tokens", "missing"};
    for (const char* name : {"model", "max_tokens", "temperature", "top_p", "top_k", "stream"})
      pass(body_, name, chat, name);
    pass(body_, "stop_sequences", chat, "stop");
    if (auto error = read_messages()) return error;
    chat["messages"] = std::move(messages_);
    if (auto error = read_tools(chat)) return error;
    return read_thinking(chat);
  }

 private:
  MaybeError read_messages() {
    if (const OrderedJson& system = at(body_, "system"); !system.is_null()) {
      std::string text;
      if (auto error = read_text(system, "system", {"text"}, text)) return error;
      messages_.push_back({{"role", "system"}, {"content", text}});
    }
    const OrderedJson& messages = at(body_, "messages");
    if (!messages.is_array()) return expected("messages", "an array");
    for (std::size_t i = 0; i < messages.size(); ++i)
      if (auto error = read_message(messages[i], fmt::format("messages[{}]", i))) return error;
    // An answer that is begun is gone on with.
    const bool is_begun =
        !messages_.empty() && messages_.back()["role"] == "assistant" && !messages_.back().contains("tool_calls");
    if (is_begun) messages_.back()["prefix"] = true;
    return {};
  }

  MaybeError read_message(const OrderedJson& source, const std::string& where) {
    const OrderedJson &role = at(source, "role"), &content = at(source, "content");
    if (role != "user" && role != "assistant")
      return ApiError{400, fmt::format("'{}.role' must be user or assistant", where), where + ".role", "invalid_value"};
    OrderedJson message = {{"role", role}, {"content", ""}};
    if (content.is_string()) {
      message["content"] = content;
    } else if (!content.is_array()) {
      return expected(where + ".content", "a string or an array");
    } else {
      for (std::size_t i = 0; i < content.size(); ++i)
        if (auto error = read_block(content[i], fmt::format("{}.content[{}]", where, i), message)) return error;
    }
    const bool is_said = message["content"] != "" || message.contains("tool_calls") || content.is_string();
    if (is_said) messages_.push_back(std::move(message));
    return {};
  }

  MaybeError read_block(const OrderedJson& block, const std::string& where, OrderedJson& message) {
    const std::string type = type_of(block);
    const bool is_assistants = message["role"] == "assistant";
    if (type == "text") {
      const OrderedJson& text = at(block, "text");
      if (!text.is_string()) return expected(where + ".text", "a string");
      message["content"].get_ref<std::string&>() += text.get_ref<const std::string&>();
      return {};
    }
    if (type == "tool_result" && !is_assistants) {
      std::string result;
      if (const OrderedJson& content = at(block, "content"); !content.is_null())
        if (auto error = read_text(content, where + ".content", {"text"}, result)) return error;
      messages_.push_back({{"role", "tool"}, {"content", result}});
      return {};
    }
    if (type == "tool_use" && is_assistants) {
      const OrderedJson& input = at(block, "input");
      message["tool_calls"].push_back(tool_call(at(block, "name"), input.is_null() ? "{}" : input.dump()));
      return {};
    }
    if (is_assistants && (type == "thinking" || type == "redacted_thinking"))
      return {};  // earlier thoughts are not told
    return not_here(where + ".type", type);
  }

  MaybeError read_tools(OrderedJson& chat) const {
    const OrderedJson &tools = at(body_, "tools"), &choice = at(body_, "tool_choice");
    if (!tools.is_null() && !tools.is_array()) return expected("tools", "an array");
    for (std::size_t i = 0; i < tools.size(); ++i) {
      const std::string type = type_of(tools[i]);
      if (!type.empty() && type != "custom") return not_here(fmt::format("tools[{}].type", i), type);
      OrderedJson function = {{"name", at(tools[i], "name")}, {"parameters", at(tools[i], "input_schema")}};
      pass(tools[i], "description", function, "description");
      chat["tools"].push_back({{"type", "function"}, {"function", std::move(function)}});
    }
    if (choice.is_null()) return {};
    const std::string type = type_of(choice);
    if (type == "auto" || type == "none")
      chat["tool_choice"] = type;
    else if (type == "any")
      chat["tool_choice"] = "required";
    else if (type == "tool")
      chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", at(choice, "name")}}}};
    else
      return not_here("tool_choice.type", type);
    if (at(choice, "disable_parallel_tool_use") == true) chat["parallel_tool_calls"] = false;
    return {};
  }

  MaybeError read_thinking(OrderedJson& chat) const {
    const OrderedJson& thinking = at(body_, "thinking");
    if (thinking.is_null() || type_of(thinking) == "adaptive") return {};
    chat["thinking"] = thinking.is_object() ? OrderedJson{{"type", at(thinking, "type")}} : thinking;
    pass(thinking, "budget_tokens", chat, "max_thinking_tokens");
    return {};
  }

  const OrderedJson& body_;
  OrderedJson messages_ = OrderedJson::array();
};

// ---- Responses ----------------------------------------------------------------------------------------------------

class ResponsesReader {
 public:
  explicit ResponsesReader(const OrderedJson& body) : body_(body) {}

  MaybeError read(OrderedJson& chat) {
    for (const char* name : {"previous_response_id", "conversation", "prompt"})
      if (!at(body_, name).is_null())
        return unsupported(name, fmt::format("'{}' is not supported: nothing is stored here", name));
    if (at(body_, "background") == true) return unsupported("background", "'background' is not supported");
    for (const char* name : {"model", "temperature", "top_p", "stream", "parallel_tool_calls"})
      pass(body_, name, chat, name);
    pass(body_, "max_output_tokens", chat, "max_tokens");
    pass(at(body_, "reasoning"), "effort", chat, "reasoning_effort");
    if (auto error = read_input()) return error;
    chat["messages"] = std::move(messages_);
    if (auto error = read_tools(chat)) return error;
    return read_format(chat);
  }

 private:
  MaybeError read_input() {
    if (const OrderedJson& instructions = at(body_, "instructions"); !instructions.is_null()) {
      if (!instructions.is_string()) return expected("instructions", "a string");
      messages_.push_back({{"role", "system"}, {"content", instructions}});
    }
    const OrderedJson& input = at(body_, "input");
    if (input.is_string()) {
      messages_.push_back({{"role", "user"}, {"content", input}});
      return {};
    }
    if (!input.is_array()) return expected("input", "a string or an array");
    for (std::size_t i = 0; i < input.size(); ++i)
      if (auto error = read_item(input[i], fmt::format("input[{}]", i))) return error;
    return {};
  }

  MaybeError read_item(const OrderedJson& item, const std::string& where) {
    const std::string type = type_of(item);
    if (type == "reasoning") return {};  // earlier thoughts are not told
    if (type == "function_call") {
      const OrderedJson& arguments = at(item, "arguments");
      if (!arguments.is_string()) return expected(where + ".arguments", "a string");
      if (messages_.empty() || messages_.back()["role"] != "assistant")
        messages_.push_back({{"role", "assistant"}, {"content", ""}});
      messages_.back()["tool_calls"].push_back(tool_call(at(item, "name"), arguments.get<std::string>()));
      return {};
    }
    std::string text;
    if (type == "function_call_output") {
      if (auto error = read_text(at(item, "output"), where + ".output", {"input_text"}, text)) return error;
      messages_.push_back({{"role", "tool"}, {"content", text}});
      return {};
    }
    if (!type.empty() && type != "message") return not_here(where + ".type", type);
    if (auto error = read_text(at(item, "content"), where + ".content", {"input_text", "output_text", "text"}, text))
      return error;
    messages_.push_back({{"role", at(item, "role")}, {"content", text}});
    return {};
  }

  MaybeError read_tools(OrderedJson& chat) const {
    const OrderedJson &tools = at(body_, "tools"), &choice = at(body_, "tool_choice");
    if (!tools.is_null() && !tools.is_array()) return expected("tools", "an array");
    for (std::size_t i = 0; i < tools.size(); ++i) {
      const std::string type = type_of(tools[i]);
      if (type != "function") return not_here(fmt::format("tools[{}].type", i), type);
      OrderedJson function = OrderedJson::object();
      for (const char* name : {"name", "description", "parameters", "strict"}) pass(tools[i], name, function, name);
      chat["tools"].push_back({{"type", "function"}, {"function", std::move(function)}});
    }
    if (type_of(choice) == "function")
      chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", at(choice, "name")}}}};
    else if (!choice.is_null())
      chat["tool_choice"] = choice;
    return {};
  }

  MaybeError read_format(OrderedJson& chat) const {
    const OrderedJson& format = at(at(body_, "text"), "format");
    if (format.is_null()) return {};
    if (type_of(format) == "json_schema")
      chat["response_format"] = {{"type", "json_schema"}, {"json_schema", {{"schema", at(format, "schema")}}}};
    else
      chat["response_format"] = format;
    return {};
  }

  const OrderedJson& body_;
  OrderedJson messages_ = OrderedJson::array();
};

template <typename Reader>
std::variant<OrderedJson, ApiError> read_with(const OrderedJson& body) {
  if (!body.is_object()) return ApiError{400, "the body must be a JSON object", "", "invalid_type"};
  OrderedJson chat = OrderedJson::object();
  if (auto error = Reader(body).read(chat)) return *std::move(error);
  return chat;
}

}  // namespace

std::variant<OrderedJson, ApiError> chat_of_messages(const OrderedJson& body) {
  return read_with<MessagesReader>(body);
}
std::variant<OrderedJson, ApiError> chat_of_responses(const OrderedJson& body) {
  return read_with<ResponsesReader>(body);
}

}  // namespace r1
