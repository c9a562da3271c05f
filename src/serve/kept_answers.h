// kept_answers.h: complete answers of requests that came with an Idempotency-Key, so that a repeat gets the same one.
//
// In memory, the newest up to kBytesMax: a client that repeats does so within seconds. Whether a repeat is one, and
// that it isn't charged, is for the ledger to say, which remembers longer. Of the io thread; outlives the replies.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "serve/http_message.h"

namespace r1 {

class KeptAnswers {
 public:
  static constexpr std::size_t kBytesMax = 16 << 20, kAnswerBytesMax = 1 << 20;

  struct Request {
    std::int64_t account_id = 0;
    std::string idempotency_key;
    std::string digest;  // of all that the answer depends on
  };

  // The same reply; when it is complete, it is kept.
  HttpReply keep(const Request& request, HttpReply reply);

  // The kept answer, a refusal (422) when the key's request was another one, or nothing when none is kept.
  std::optional<HttpReply> find(const Request& request) const;

  void store(const Request& request, bool is_stream, std::string body);

 private:
  struct Answer {
    std::string digest;
    bool is_stream;
    std::string body;
  };
  using Name = std::pair<std::int64_t, std::string>;  // account, Idempotency-Key
  std::map<Name, Answer> answers_;
  std::deque<Name> order_;  // oldest first
  std::size_t n_bytes_ = 0;
};

}  // namespace r1
