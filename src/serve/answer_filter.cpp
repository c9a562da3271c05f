// answer_filter.cpp: the grammar of an answer, put together from text, JSON and calls.
#include "serve/answer_filter.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "grammar/json_schema.h"

namespace r1 {
namespace {

using Part = GrammarBuilder::Part;

constexpr std::size_t kGrammarsKept = 16;
constexpr int kLeadingNewlinesMax = 2;

class AnswerGrammarBuilder {
 public:
  AnswerGrammarBuilder(const CompletionRequest& request, const ToolSyntax& syntax, const Tokenizer& tokenizer)
      : request_(request), syntax_(syntax), tokenizer_(tokenizer), json_(builder_) {}

  Result<Grammar> build(bool may_think) {
    R1_TRY(const Part answer, this->answer());
    const auto newline = [&] { return builder_.literal("\n"); };
    const Part lead = builder_.repeat(newline, 0, may_think ? kLeadingNewlinesMax : 0);
    auto grammar = builder_.finish(builder_.sequence({lead, answer}));
    if (grammar.ok()) return grammar;
    const bool is_schema = request_.response_format == ResponseFormat::kJsonSchema;
    return with_context(std::move(grammar).error(), is_schema ? "'response_format.json_schema.schema'" : "'tools'");
  }

 private:
  Result<Part> answer() {
    const bool is_json = request_.response_format != ResponseFormat::kText;
    const bool has_calls = !request_.tools.empty() && request_.tool_choice != ToolChoice::kNone;
    if (!has_calls) return is_json ? json_content() : text(nullptr);
    R1_TRY(const Part calls, calls_behind_tag());
    const Part tagged = builder_.sequence({marked(syntax_.opening_tag()), calls});
    if (request_.tool_choice == ToolChoice::kRequired) return tagged;
    if (!is_json) return text(&calls);
    R1_TRY(const Part content, json_content());
    return builder_.choice({content, tagged});
  }

  Result<Part> json_content() {
    if (request_.response_format == ResponseFormat::kJsonObject) return json_.any_object();
    R1_TRY(const OrderedJson schema, parse_ordered_json(request_.response_schema, "the schema"));
    return json_schema_part(schema, "response_format.json_schema.schema", builder_, json_);
  }

  // Tags as tokens, where there are such tokens.
  Part marked(std::string_view text_with_tags) {
    Part whole = builder_.empty();
    while (!text_with_tags.empty()) {
      const std::string_view piece = next_tool_piece(text_with_tags);
      const std::string bytes = piece.starts_with('<') ? marker_bytes(piece, tokenizer_) : std::string(piece);
      whole = builder_.sequence({whole, builder_.literal(bytes)});
      text_with_tags.remove_prefix(piece.size());
    }
    return whole;
  }

  // Any text in which the tag that opens calls is not spelt out, then, if there are calls, the tag and they. The tag
  // has
  // '<' only at its beginning, so the text so far matches none of it, or so many of its bytes (Knuth, Morris, Pratt).
  Part text(const Part* calls) {
    const std::string_view tag = syntax_.opening_tag();
    const Part whole = {builder_.add_state(), builder_.add_state()};
    std::vector<int> states = {whole.begin};
    while (states.size() < tag.size()) states.push_back(builder_.add_state());
    const bool is_token = marker_bytes(tag, tokenizer_) != tag;
    for (std::size_t n = 0; n < tag.size(); ++n) {
      const auto next = static_cast<std::uint8_t>(tag[n]);
      const bool is_last = n + 1 == tag.size();
      if (!is_last) builder_.add_edge(states[n], next, next, states[n + 1]);
      if (is_last && calls != nullptr && !is_token) builder_.add_edge(states[n], next, next, calls->begin);
      if (n > 0) builder_.add_edge(states[n], '<', '<', states[1]);
      int first = 0;
      for (const int skipped :
           {std::min<int>('<', next), std::max<int>('<', next), static_cast<int>(Grammar::kMarker)}) {
        if (first < skipped)
          builder_.add_edge(states[n], static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(skipped - 1),
                            states[0]);
        first = skipped + 1;
      }
      builder_.jump(states[n], whole.end);
    }
    if (calls == nullptr) return whole;
    const Part end = builder_.empty();
    builder_.jump(whole.end, end.begin);
    builder_.jump(calls->end, end.begin);
    if (is_token) {
      const Part marker = marked(tag);
      builder_.jump(whole.end, marker.begin);
      builder_.jump(marker.end, calls->begin);
    }
    return {whole.begin, end.end};
  }

  // All that follows the opening tag.
  Result<Part> calls_behind_tag() {
    std::vector<Part> ways;
    for (std::size_t i = 0; i < request_.tools.size(); ++i) {
      const ToolDefinition& tool = request_.tools[i];
      if (!request_.tool_name.empty() && tool.name != request_.tool_name) continue;
      R1_TRY(const Part arguments, this->arguments(tool, fmt::format("tools[{}].function.parameters", i)));
      ways.push_back(builder_.sequence(
          {builder_.literal(tool.name), marked(syntax_.before_arguments), arguments, marked(syntax_.after_arguments)}));
    }
    const int call = builder_.declare_rule();
    builder_.define_rule(call, builder_.choice(ways));
    const std::string opening = std::string(syntax_.open) + std::string(syntax_.before_name);
    const std::string next = std::string(syntax_.between) + std::string(syntax_.before_name);
    const auto more = [&] { return builder_.sequence({marked(next), builder_.call(call)}); };
    return builder_.sequence({marked(std::string_view(opening).substr(syntax_.opening_tag().size())),
                              builder_.call(call), builder_.repeat(more, 0, request_.parallel_tool_calls ? -1 : 0),
                              marked(syntax_.close)});
  }

  // A schema that says more than is understood here binds only where `strict` asks for it: OpenAI promises no more.
  Result<Part> arguments(const ToolDefinition& tool, const std::string& path) {
    R1_TRY(OrderedJson schema, parse_ordered_json(tool.parameters, path));
    if (!schema.contains("type")) schema["type"] = "object";
    if (schema["type"] != "object") {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("'{}.type' must be \"object\", not {:.40}", path, schema["type"].dump())};
    }
    auto part = json_schema_part(schema, path, builder_, json_);
    if (!part.ok() && part.error().code == ErrorCode::kUnsupported && !tool.is_strict) return json_.any_object();
    return part;
  }

  const CompletionRequest& request_;
  const ToolSyntax& syntax_;
  const Tokenizer& tokenizer_;
  GrammarBuilder builder_;
  JsonParts json_;
};

// Requests with the same key have the same grammar.
std::string key_of(const ServedModel& model, const CompletionRequest& request, bool may_think) {
  Json key = {model.name,
              may_think,
              static_cast<int>(request.response_format),
              request.response_schema,
              static_cast<int>(request.tool_choice),
              request.tool_name,
              request.parallel_tool_calls};
  for (const ToolDefinition& tool : request.tools) key.push_back({tool.name, tool.parameters, tool.is_strict});
  return key.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<Grammar> answer_grammar(const CompletionRequest& request, const ToolSyntax& syntax, const Tokenizer& tokenizer,
                               bool may_think) {
  return AnswerGrammarBuilder(request, syntax, tokenizer).build(may_think);
}

Result<std::shared_ptr<TokenMasks>> AnswerGrammars::find(const ServedModel& model, const CompletionRequest& request,
                                                         bool may_think) {
  if (request.response_format == ResponseFormat::kText && request.tools.empty()) return std::shared_ptr<TokenMasks>();
  std::string key = key_of(model, request, may_think);
  const auto known = std::find_if(recent_.begin(), recent_.end(), [&](const Entry& entry) { return entry.key == key; });
  if (known != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, known);
    return recent_.front().masks;
  }
  R1_TRY(Grammar grammar, answer_grammar(request, model.chat_template->tool_syntax(), *model.tokenizer, may_think));
  std::shared_ptr<const TokenTrie>& trie = tries_[model.tokenizer];
  if (!trie) trie = std::make_shared<TokenTrie>(*model.tokenizer);
  recent_.push_front({std::move(key), std::make_shared<TokenMasks>(std::move(grammar), trie)});
  if (recent_.size() > kGrammarsKept) recent_.pop_back();
  return recent_.front().masks;
}

void AnswerGrammars::forget(const ServedModel& model) {
  const auto trie = tries_.find(model.tokenizer);
  if (trie == tries_.end()) return;
  std::erase_if(recent_, [&](const Entry& entry) { return &entry.masks->trie() == trie->second.get(); });
  tries_.erase(trie);
}

AnswerFilter::AnswerFilter(const Tokenizer& tokenizer, ReasoningSplitter::Start start,
                           std::shared_ptr<TokenMasks> masks)
    : state_(start == ReasoningSplitter::Start::kAnswer      ? State::kAnswering
             : start == ReasoningSplitter::Start::kUndecided ? State::kUndecided
                                                             : State::kThinking),
      stream_(tokenizer, start),
      think_id_(start == ReasoningSplitter::Start::kUndecided ? tokenizer.find("<think>").value_or(-1) : -1),
      masks_(std::move(masks)),
      matcher_(masks_) {}

TokenFilter::Verdict AnswerFilter::mask(std::span<float> scores) {
  if (state_ == State::kThinking) {
    if (!matcher_.is_complete()) forbid_end(scores);
    return Verdict::kOpen;
  }
  const TokenMasks::Mask& mask = matcher_.mask();
  const bool may_think = state_ == State::kUndecided && think_id_ >= 0;
  if (!mask.any && !may_think) return matcher_.is_complete() ? Verdict::kEnded : Verdict::kStranded;
  const float kept = may_think ? scores[static_cast<std::size_t>(think_id_)] : 0;
  for (std::size_t word = 0; word * 64 < scores.size(); ++word) {
    const std::uint64_t bits = word < mask.bits.size() ? mask.bits[word] : 0;
    if (bits == ~std::uint64_t{0}) continue;
    const std::size_t n = std::min<std::size_t>(64, scores.size() - word * 64);
    for (std::size_t i = 0; i < n; ++i)
      if ((bits >> i & 1) == 0) scores[word * 64 + i] = -INFINITY;
  }
  if (may_think) scores[static_cast<std::size_t>(think_id_)] = kept;
  return Verdict::kOpen;
}

// An answer that must have a form has none yet while its thought goes on.
void AnswerFilter::forbid_end(std::span<float> scores) const {
  for (const int id : masks_->trie().end_ids()) scores[static_cast<std::size_t>(id)] = -INFINITY;
}

// What was forced on an answer may not fit its grammar; then the matcher stays where it was.
void AnswerFilter::accept(int id) {
  const std::string bytes = masks_->trie().bytes_of(id);
  if (state_ == State::kAnswering) {
    matcher_.take(bytes);
    return;
  }
  const SplitText split = stream_.feed(id);
  const bool was_thinking = state_ == State::kThinking;
  if (stream_.in_thinking()) {
    if (!was_thinking) matcher_ = GrammarMatcher(masks_);  // what came before <think> is no answer
    state_ = State::kThinking;
    return;
  }
  matcher_.take(was_thinking ? split.answer : bytes);  // the token that ends </think> may go on
  if (bytes.find_first_not_of(" \t\r\n") != std::string::npos) think_id_ = -1;
  if (was_thinking || !split.answer.empty()) state_ = State::kAnswering;
}

}  // namespace r1
