// answer_wire.h: the JSON of answers, byte by byte: chunks of a stream and whole bodies, of /chat/completions and of
// /completions.
//
// One body serves both dialects. DeepSeek's: bare UUIDs, reasoning_content beside content (one of them null), both
// spellings of the cached tokens, the usage in the chunk that carries the finish_reason. OpenAI's: refusal, and the
// usage in a chunk of its own with no choices when include_usage asks for it. Exactly one chunk carries the usage,
// since clients add up what they see.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/completion_request.h"
#include "serve/generation.h"
#include "serve/http_message.h"

namespace r1 {

// What every chunk of an answer repeats.
struct AnswerHead {
  std::string id, model, fingerprint;
  std::int64_t created_s = 0;
};

class AnswerWire {
 public:
  virtual ~AnswerWire() = default;

  // A stream: begin() once for each answer, pieces, then end() and "[DONE]". Each appends whole events.
  virtual void begin(std::string& out, int index) = 0;
  virtual void piece(std::string& out, const AnswerPiece& piece, const std::optional<UsageReport>& usage) = 0;
  virtual void usage_only(std::string& out, const UsageReport& usage) = 0;

  // The last of a stream that is complete, and of one that failed: the error in the dialect's words.
  virtual void end(std::string& out);
  virtual void fail(std::string& out, const HttpResponse& error);

  // The same as one body, from all pieces of each answer put together.
  virtual std::string whole(const std::vector<AnswerPiece>& answers, const UsageReport& usage) = 0;
};

struct ChatWireOptions {
  bool thinks = false;  // answers begin as thinking
  bool logprobs = false;
};
std::unique_ptr<AnswerWire> chat_wire(const AnswerHead& head, ChatWireOptions options);

struct TextWireOptions {
  std::string echoed;  // what each text begins with
  bool logprobs = false;
  bool scores_prompt = false;  // the echoed text comes with its tokens, in the first piece
};
std::unique_ptr<AnswerWire> text_wire(const AnswerHead& head, TextWireOptions options);

// Anthropic's Messages and OpenAI's Responses: of one answer. `asked`: the request's body, of which an answer repeats
// some.
std::unique_ptr<AnswerWire> messages_wire(const AnswerHead& head, int n_prompt_tokens);
std::unique_ptr<AnswerWire> responses_wire(const AnswerHead& head, const OrderedJson& asked);

// The replies to a request of the Messages API, with errors as its clients read them.
HttpReply with_messages_errors(HttpReply reply);

// One server-sent event. The name is for dialects whose events have one.
void append_event(std::string& out, std::string_view json);
void append_event(std::string& out, std::string_view name, std::string_view json);

// The last event of a stream that fails before an answer has begun, in the dialect's words.
using FailureEvent = void (*)(std::string& out, const HttpResponse& error);
void append_failure(std::string& out, const HttpResponse& error);
void append_messages_failure(std::string& out, const HttpResponse& error);
void append_responses_failure(std::string& out, const HttpResponse& error);

}  // namespace r1
