// scheduler.h: who runs in the next pass, with which rows, in which cache blocks.
//
// Every running sequence that is past its prompt gets one row; what is left of the pass's rows goes to prompts, in
// chunks, oldest first. When the cache has no room, the youngest sequence gives its blocks back and is computed again
// later: its text does not change, because every row is computed by the same kernels then as before.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/kv_block_pool.h"
#include "engine/sequence.h"
#include "ops/pass.h"

namespace r1 {

struct SchedulerLimits {
  int max_running = 16;             // sequences in one pass
  int max_rows = 512;               // rows in one pass: a prompt is cut into chunks of at most this
  bool publish_completions = true;  // completions' blocks join the prefix cache; false where prompt and completion rows
                                    // are computed differently (MLA)
  bool reuse_prefixes = true;
};

// The rows of one pass, and what its Batch looks into.
struct ScheduledBatch {
  std::vector<int> token_ids, positions, logits_rows;
  std::vector<SequenceRows> sequences;
  std::vector<Sequence*> sampled;   // [logits_rows] whose next token each row of logits is for
  std::vector<Sequence*> computed;  // whose rows these are

  bool empty() const { return token_ids.empty(); }
  Batch view() const { return {token_ids, positions, sequences, logits_rows}; }
};

class Scheduler {
 public:
  Scheduler(SchedulerLimits limits, int n_blocks) : limits_(limits), pool_(n_blocks) {}

  void add(std::unique_ptr<Sequence> sequence) { waiting_.push_back(std::move(sequence)); }

  // Admits what fits and lays out the next pass; empty when nothing can run now.
  ScheduledBatch next_batch();

  // After the pass, before tokens are appended: the batch's rows are in the cache now.
  void commit(const ScheduledBatch& batch);

  // Sequences that are done or were cancelled leave, with their blocks; `take` receives each.
  template <typename Take>
  void remove_finished(Take take) {
    for (auto* list : {&running_, &waiting_}) {
      std::erase_if(*list, [&](std::unique_ptr<Sequence>& sequence) {
        if (!take(*sequence)) return false;
        pool_.release(sequence->blocks);
        return true;
      });
    }
  }

  template <typename Visit>
  void for_each(Visit visit) {
    for (auto* list : {&running_, &waiting_}) {
      for (const std::unique_ptr<Sequence>& sequence : *list) visit(*sequence);
    }
  }

  int n_running() const { return static_cast<int>(running_.size()); }
  int n_waiting() const { return static_cast<int>(waiting_.size()); }
  const KvBlockPool& pool() const { return pool_; }

 private:
  bool admit_next();
  int n_promised_blocks() const;
  bool reserve_blocks(Sequence& sequence, int n_tokens);
  bool reserve_or_preempt(Sequence& sequence, int n_tokens);
  void preempt_youngest();
  void add_rows(ScheduledBatch& batch, Sequence& sequence, int n_rows) const;
  void publish_full_blocks(Sequence& sequence);

  SchedulerLimits limits_;
  KvBlockPool pool_;
  std::deque<std::unique_ptr<Sequence>> waiting_, running_;  // oldest first
};

}  // namespace r1
