// meter.h: from what a request has used into the ledger: each hold is closed once, settled or voided by a rule.
//
// 1. A Meter is shared by the reply (io thread) and the engine's sequences. An answer that comes to its end settles
// what
//    it tells its client, and says its last word after that is durable: who has seen the end has been charged.
// 2. When nobody holds the Meter any more and nothing was settled (the client has gone, the stream broke, the server
//    stops), what the engine has produced is settled. If that is nothing, the hold is voided.
// 3. What was not delivered, and not because of the client, is not charged: see waive().
// 4. A closing that the ledger can't take now is kept and tried again with the next request. One that is still kept
//    when the process ends is voided by the next server, as what a killed server leaves is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/bounded_queue.h"
#include "base/result.h"
#include "engine/token_stream.h"
#include "ledger/ledger.h"

namespace r1 {

struct HoldClosing {
  std::int64_t hold_id = 0;
  std::optional<MeteredTokens> tokens;  // empty: voided
  std::string rule;                     // why it is voided, or would be
  bool is_delivered = true;             // false: if the ledger fails, so does the answer, and it is voided later
};

// Closes holds, from any thread, without waiting. Outlives the ledger: its callbacks end here.
class HoldCloser {
 public:
  explicit HoldCloser(Ledger& ledger) : ledger_(ledger) {}
  HoldCloser(const HoldCloser&) = delete;
  HoldCloser& operator=(const HoldCloser&) = delete;
  ~HoldCloser();

  using Done = std::function<void(const Status&)>;
  void close(HoldClosing closing, Done done);  // `done` comes once, perhaps from the ledger's writer thread
  void retry();                                // those that the ledger could not take
  std::size_t n_kept() const;

 private:
  void after(HoldClosing closing, const Status& status);

  Ledger& ledger_;
  mutable std::mutex mutex_;
  std::vector<HoldClosing> kept_;
};

class Meter {
 public:
  Meter(HoldCloser& closer, std::int64_t hold_id, std::int64_t account_id)
      : closer_(closer), hold_id_(hold_id), account_id_(account_id) {}
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;
  ~Meter();

  std::int64_t account_id() const { return account_id_; }

  // On the engine's thread, when answer `index` of the request is over.
  void take(const Usage& usage, int index);

  // On the io thread. `is_delivered`: the client has most of the answer already.
  void settle(const MeteredTokens& tokens, bool is_delivered, const std::function<void()>& on_settled);
  std::optional<Status> settled();  // once, after settle(); empty: not yet
  void waive(std::string rule);     // nothing will be charged; the ledger says by which rule

 private:
  HoldCloser& closer_;
  const std::int64_t hold_id_, account_id_;
  MeteredTokens produced_;  // the engine's
  std::string waived_;      // the reply's, and so the next
  std::shared_ptr<BoundedQueue<Status>> outcome_;
};

}  // namespace r1
