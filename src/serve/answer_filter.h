// answer_filter.h: what a request demands of its answer's form (response_format, tools, tool_choice), as a grammar, and
// the filter that holds the engine's sampling to it once the thought is over, and keeps a thought from being all.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "engine/token_filter.h"
#include "grammar/token_masks.h"
#include "serve/completion_request.h"
#include "serve/served_model.h"
#include "text/answer_stream.h"

namespace r1 {

// What answers may be: text, JSON, calls of tools. `may_think`: line breaks after </think> come first. Errors name the
// parameter, and in it the keyword of the schema.
Result<Grammar> answer_grammar(const CompletionRequest& request, const ToolSyntax& syntax, const Tokenizer& tokenizer,
                               bool may_think);

// Grammars compiled for requests that have come before, the last few; and a trie for each vocabulary. One thread's.
class AnswerGrammars {
 public:
  // Null: anything may be written.
  Result<std::shared_ptr<TokenMasks>> find(const ServedModel& model, const CompletionRequest& request, bool may_think);
  void forget(const ServedModel& model);  // its tokenizer is about to end

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<TokenMasks> masks;
  };
  std::list<Entry> recent_;  // the latest first
  std::map<const Tokenizer*, std::shared_ptr<const TokenTrie>> tries_;
};

class AnswerFilter final : public TokenFilter {
 public:
  AnswerFilter(const Tokenizer& tokenizer, ReasoningSplitter::Start start, std::shared_ptr<TokenMasks> masks);

  Verdict mask(std::span<float> scores) override;
  void accept(int id) override;

 private:
  enum class State { kUndecided, kThinking, kAnswering };

  void forbid_end(std::span<float> scores) const;

  State state_;
  AnswerStream stream_;  // until the answer begins
  int think_id_;         // <think>, while it may come; -1: it may not
  const std::shared_ptr<TokenMasks> masks_;
  GrammarMatcher matcher_;
};

}  // namespace r1
