// scheduler.h: who runs in the next pass, with which rows, in which cache blocks.
//
// Of those that wait, accounts take turns (engine/fair_queue.h). Every running sequence that is past its prompt gets
// one row; what is left of the pass's rows goes to prompts, in chunks, oldest first. When the cache has no room, the
// youngest sequence gives its blocks back and is computed again later: its text does not change, because every row is
// computed by the same kernels then as before.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/function_ref.h"
#include "engine/fair_queue.h"
#include "engine/kv_block_pool.h"
#include "engine/prefix_spill.h"
#include "engine/sequence.h"
#include "ops/pass.h"

namespace r1 {

struct SchedulerLimits {
  int max_running = 16;             // sequences in one pass
  int max_scored_rows = 64;         // and one whose tokens are scored into such: each row has logits then
  bool publish_completions = true;  // completions' blocks join the prefix cache; false where prompt and completion rows
                                    // are computed differently (MLA)
  bool reuse_prefixes = true;
};

// The rows of one pass, and what its Batch looks into.
struct ScheduledBatch {
  std::vector<int> token_ids, positions, logits_rows;
  std::vector<SequenceRows> sequences;
  struct LogitsRow {
    Sequence* sequence;
    int next_position;   // of the token it is for: in the prompt, to be scored, or behind it
    bool follows_draft;  // and counts only if the row before gives the draft
  };
  std::vector<LogitsRow> sampled;  // [logits_rows]
  struct Computed {
    Sequence* sequence;
    int n_rows;  // without a draft's
  };
  std::vector<Computed> computed;  // whose rows `sequences` are

  bool empty() const { return token_ids.empty(); }
  int n_rows() const { return static_cast<int>(token_ids.size()); }
  Batch view() const { return {token_ids, positions, sequences, logits_rows}; }
  bool holds(const Sequence& sequence) const;

  // Leaves out the rows of sequences that `leaves` names. The rows that stay, as they were numbered before; nothing
  // when all do.
  std::optional<std::vector<int>> drop(FunctionRef<bool(const Sequence&)> leaves);
};

class Scheduler {
 public:
  // `spill`: where prefixes are found that memory does not hold; null: nowhere. It must outlive the scheduler.
  Scheduler(SchedulerLimits limits, int n_blocks, PrefixSpill* spill = nullptr)
      : limits_(limits), pool_(n_blocks), spill_(spill) {}

  void add(std::unique_ptr<Sequence> sequence) {
    const std::uint64_t account = sequence->account;
    waiting_.push(account, std::move(sequence));
  }

  // Admits what fits and lays out the next pass, of at most so many rows; empty when nothing can run now.
  ScheduledBatch next_batch(int max_rows);

  // After the pass, before tokens are appended: the batch's rows are in the cache now. A draft's row does not count:
  // who accepts it adds it to n_computed; else its place in the cache is written again.
  void commit(const ScheduledBatch& batch);

  // Sequences that are done or were cancelled leave, with their blocks; `take` receives each.
  template <typename Take>
  void remove_finished(Take take) {
    const auto leaves = [&](std::unique_ptr<Sequence>& sequence) {
      if (!take(*sequence)) return false;
      pool_.release(sequence->blocks);
      return true;
    };
    std::erase_if(running_, leaves);
    std::erase_if(preempted_, leaves);
    waiting_.erase_if(leaves);
  }

  template <typename Visit>
  void for_each(Visit visit) {
    for (auto* list : {&running_, &preempted_}) {
      for (const std::unique_ptr<Sequence>& sequence : *list) visit(*sequence);
    }
    waiting_.for_each([&](const std::unique_ptr<Sequence>& sequence) { visit(*sequence); });
  }

  int n_running() const { return static_cast<int>(running_.size()); }
  int n_waiting() const { return waiting_.size() + static_cast<int>(preempted_.size()); }
  const KvBlockPool& pool() const { return pool_; }

 private:
  bool admit_next();
  int n_promised_blocks() const;
  int n_reusable_blocks(const Sequence& sequence) const;
  void load_stored_blocks(Sequence& sequence);
  bool reserve_blocks(Sequence& sequence, int n_tokens);
  bool reserve_or_preempt(Sequence& sequence, int n_tokens);
  bool reserve_draft(Sequence& sequence);
  void preempt_youngest();
  void add_rows(ScheduledBatch& batch, Sequence& sequence, int n_rows) const;
  void publish_full_blocks(Sequence& sequence);

  SchedulerLimits limits_;
  KvBlockPool pool_;
  PrefixSpill* spill_;
  FairQueue<std::unique_ptr<Sequence>> waiting_;
  std::deque<std::unique_ptr<Sequence>> preempted_, running_;  // oldest first; preempted ones run again before others
};

}  // namespace r1
