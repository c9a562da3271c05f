// scheduler.cpp: decode rows first, then prompts; blocks are reserved before rows are laid out.
#include "engine/scheduler.h"

#include <algorithm>

#include "base/assert.h"

namespace r1 {
namespace {

constexpr int kBlockTokens = KvCache::kBlockTokens;

int blocks_for(int n_tokens) { return (n_tokens + kBlockTokens - 1) / kBlockTokens; }

bool can_run(const Sequence& sequence) { return !sequence.undelivered && !sequence.finish; }
// Of its first blocks, all full.
std::span<const PrefixName> names_of(Sequence& sequence, int n_blocks) {
  const std::span<const int> tokens(sequence.tokens);
  for (int i = static_cast<int>(sequence.names.size()) - 1; i < n_blocks; ++i) {
    const auto start = static_cast<std::size_t>(i) * kBlockTokens;
    sequence.names.push_back(prefix_name(sequence.names.back(), tokens.subspan(start, kBlockTokens)));
  }
  return std::span<const PrefixName>(sequence.names).subspan(1, static_cast<std::size_t>(n_blocks));
}

bool is_decoding(const Sequence& sequence) { return sequence.n_tokens() - sequence.n_computed == 1; }

}  // namespace

bool ScheduledBatch::holds(const Sequence& sequence) const {
  return std::any_of(computed.begin(), computed.end(),
                     [&](const Computed& each) { return each.sequence == &sequence; });
}

std::optional<std::vector<int>> ScheduledBatch::drop(FunctionRef<bool(const Sequence&)> leaves) {
  std::vector<bool> stays;  // [sequences]
  for (const Computed& each : computed) stays.push_back(!leaves(*each.sequence));
  if (std::find(stays.begin(), stays.end(), false) == stays.end()) return std::nullopt;
  ScheduledBatch rest;
  std::vector<int> kept, new_rows(token_ids.size(), -1);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (!stays[i]) continue;
    const SequenceRows& rows = sequences[i];
    rest.sequences.push_back(rows);
    rest.sequences.back().first_row = static_cast<int>(kept.size());
    rest.computed.push_back(computed[i]);
    for (int row = rows.first_row; row < rows.first_row + rows.n_rows; ++row) {
      const auto old = static_cast<std::size_t>(row);
      new_rows[old] = static_cast<int>(kept.size());
      kept.push_back(row);
      rest.token_ids.push_back(token_ids[old]);
      rest.positions.push_back(positions[old]);
    }
  }
  for (std::size_t i = 0; i < logits_rows.size(); ++i) {
    const int row = new_rows[static_cast<std::size_t>(logits_rows[i])];
    if (row < 0) continue;
    rest.logits_rows.push_back(row);
    rest.sampled.push_back(sampled[i]);
  }
  *this = std::move(rest);
  return kept;
}

ScheduledBatch Scheduler::next_batch(int max_rows) {
  while (admit_next()) {
  }
  ScheduledBatch batch;
  // Reserving room for one sequence may preempt a younger one, which then is no longer in running_: hence indices.
  for (std::size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (!can_run(sequence) || !is_decoding(sequence)) continue;
    if (!reserve_or_preempt(sequence, sequence.n_tokens())) continue;
    add_rows(batch, sequence, reserve_draft(sequence) ? 2 : 1);
  }
  for (std::size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    const int room = max_rows - static_cast<int>(batch.token_ids.size());
    if (room <= 0) break;
    if (!can_run(sequence) || is_decoding(sequence)) continue;
    const int n_rows_max = sequence.n_unscored() > 0 ? std::min(room, limits_.max_scored_rows) : room;
    const int n_rows = std::min(n_rows_max, sequence.n_tokens() - sequence.n_computed);
    // A prompt may push younger sequences out, unless rows of theirs are laid out already: then it waits for the next
    // pass.
    const int end = sequence.n_computed + n_rows;
    if (reserve_blocks(sequence, end) || (batch.empty() && reserve_or_preempt(sequence, end))) {
      add_rows(batch, sequence, n_rows);
    }
  }
  return batch;
}

// Blocks that running sequences will still need for the tokens they have.
int Scheduler::n_promised_blocks() const {
  int n = 0;
  for (const std::unique_ptr<Sequence>& sequence : running_) {
    n += std::max(0, blocks_for(sequence->n_tokens() + 1) - static_cast<int>(sequence->blocks.size()));
  }
  return n;
}

bool Scheduler::admit_next() {
  if (n_waiting() == 0 || n_running() >= limits_.max_running) return false;
  Sequence& sequence = preempted_.empty() ? *waiting_.front() : *preempted_.front();
  if (limits_.reuse_prefixes) {
    sequence.blocks = pool_.find_prefix(names_of(sequence, n_reusable_blocks(sequence)));
  }
  const int n_needed = blocks_for(sequence.n_tokens() + 1) - static_cast<int>(sequence.blocks.size());
  if (!running_.empty() && n_needed + n_promised_blocks() > pool_.n_available()) {
    pool_.release(sequence.blocks);
    sequence.blocks.clear();
    return false;
  }
  if (limits_.reuse_prefixes && spill_ != nullptr) load_stored_blocks(sequence);
  const int n_found = static_cast<int>(sequence.blocks.size());
  sequence.n_computed = n_found * kBlockTokens;
  sequence.n_published = n_found;
  if (!sequence.admitted_before) {
    sequence.n_cached_tokens = sequence.n_computed;
    if (sequence.channel) sequence.channel->n_cached_tokens.store(sequence.n_computed, std::memory_order_relaxed);
  }
  sequence.admitted_before = true;
  if (preempted_.empty()) {
    running_.push_back(waiting_.pop());
  } else {
    running_.push_back(std::move(preempted_.front()));
    preempted_.pop_front();
  }
  return true;
}

// At least the last token is computed: its logits are what is wanted.
int Scheduler::n_reusable_blocks(const Sequence& sequence) const {
  if (sequence.n_unscored() > 0) return 0;
  return std::min(sequence.n_prompt_tokens, sequence.n_tokens() - 1) / kBlockTokens;
}

// Goes on where memory ended: the next blocks of the prompt from disk, and from memory again where only an earlier one
// had gone.
void Scheduler::load_stored_blocks(Sequence& sequence) {
  const auto names = names_of(sequence, n_reusable_blocks(sequence));
  while (sequence.blocks.size() < names.size()) {
    const PrefixName& name = names[sequence.blocks.size()];
    if (const auto known = pool_.find_prefix({&name, 1}); !known.empty()) {
      sequence.blocks.push_back(known.front());
      continue;
    }
    const auto block = spill_->has(name) ? pool_.allocate() : std::nullopt;
    if (!block) return;
    if (!spill_->load(name, *block)) return pool_.release({&*block, 1});
    pool_.publish(*block, name);
    sequence.blocks.push_back(*block);
  }
}

bool Scheduler::reserve_blocks(Sequence& sequence, int n_tokens) {
  while (static_cast<int>(sequence.blocks.size()) < blocks_for(n_tokens)) {
    const auto block = pool_.allocate();
    if (!block) return false;
    sequence.blocks.push_back(*block);
  }
  return true;
}

bool Scheduler::reserve_or_preempt(Sequence& sequence, int n_tokens) {
  while (!reserve_blocks(sequence, n_tokens)) {
    const bool is_youngest = running_.back().get() == &sequence;
    R1_ASSERT(running_.size() > 1, "one sequence always fits: submit() checks it against the whole cache");
    preempt_youngest();
    if (is_youngest) return false;
  }
  return true;
}

// False, and no draft any more: none was there, no answer of its length is wanted, or the cache has no room to spare.
bool Scheduler::reserve_draft(Sequence& sequence) {
  const bool is_useful = sequence.draft && sequence.n_completion_tokens() + 2 <= sequence.max_tokens;
  if (is_useful && reserve_blocks(sequence, sequence.n_tokens() + 1)) return true;
  sequence.draft.reset();
  return false;
}

void Scheduler::preempt_youngest() {
  std::unique_ptr<Sequence> sequence = std::move(running_.back());
  running_.pop_back();
  pool_.release(sequence->blocks);
  sequence->blocks.clear();
  sequence->n_computed = sequence->n_published = 0;
  sequence->draft.reset();
  preempted_.push_front(std::move(sequence));
}

void Scheduler::add_rows(ScheduledBatch& batch, Sequence& sequence, int n_rows) const {
  const int end = sequence.n_computed + n_rows;
  const int n_drafts = std::max(0, end - sequence.n_tokens());
  for (int position = sequence.n_computed; position < end; ++position) {
    const bool is_draft = position == sequence.n_tokens();
    batch.token_ids.push_back(is_draft ? *sequence.draft : sequence.tokens[static_cast<std::size_t>(position)]);
    batch.positions.push_back(position);
  }
  // Prompt rows and completion rows are computed by different MLA kernels, also when a preempted sequence is computed
  // again.
  const int border = std::clamp(sequence.n_prompt_tokens, sequence.n_computed, end);
  int row = static_cast<int>(batch.token_ids.size()) - n_rows;
  if (border > sequence.n_computed) {
    batch.sequences.push_back(
        {row, border - sequence.n_computed, sequence.n_computed, sequence.blocks, MlaKernel::kExpanded});
    batch.computed.push_back({&sequence, border - sequence.n_computed});
    row += border - sequence.n_computed;
  }
  if (end > border) {
    batch.sequences.push_back({row, end - border, border, sequence.blocks, MlaKernel::kAbsorbed});
    batch.computed.push_back({&sequence, end - border - n_drafts});
  }
  const auto add_logits_row = [&](int next_position, bool follows_draft) {
    batch.logits_rows.push_back(static_cast<int>(batch.token_ids.size()) - (end - next_position) - 1);
    batch.sampled.push_back({&sequence, next_position, follows_draft});
  };
  if (sequence.n_unscored() > 0) {
    const int n_scored = static_cast<int>(sequence.prompt_scores.size());  // more than 0 here: it was preempted
    for (int next = std::max(sequence.n_computed, n_scored) + 1; next <= end && next < sequence.n_prompt_tokens; ++next)
      add_logits_row(next, false);
  }
  for (int next = sequence.n_tokens(); next <= end; ++next) add_logits_row(next, next > sequence.n_tokens());
}

void Scheduler::commit(const ScheduledBatch& batch) {
  for (const ScheduledBatch::Computed& computed : batch.computed) {
    computed.sequence->n_computed += computed.n_rows;
    if (limits_.reuse_prefixes) publish_full_blocks(*computed.sequence);
  }
}

void Scheduler::publish_full_blocks(Sequence& sequence) {
  const int n_tokens =
      limits_.publish_completions ? sequence.n_computed : std::min(sequence.n_computed, sequence.n_prompt_tokens);
  for (; (sequence.n_published + 1) * kBlockTokens <= n_tokens; ++sequence.n_published) {
    const auto i = static_cast<std::size_t>(sequence.n_published);
    const PrefixName& name = names_of(sequence, sequence.n_published + 1)[i];
    if (pool_.publish(sequence.blocks[i], name) && spill_ != nullptr) spill_->add(name, sequence.blocks[i]);
  }
}

}  // namespace r1
