// drafter.cpp: the batch again, without rows that came to nothing; each row now with the token that follows it.
#include "engine/drafter.h"

#include <algorithm>

#include "ops/elementwise.h"

namespace r1 {
namespace {

struct DraftBatch {
  std::vector<int> hidden_rows, next_ids, positions, logits_rows;
  std::vector<SequenceRows> sequences;
  std::vector<Sequence*> drafted;  // [logits_rows]

  Batch view() const { return {next_ids, positions, sequences, logits_rows}; }
};

void add_rows(DraftBatch& batch, const SequenceRows& rows, Sequence& sequence) {
  const int known = std::min(sequence.n_computed, sequence.n_tokens() - 1);  // positions whose next token there is
  const int n_rows = std::min(rows.n_rows, known - rows.first_position);
  if (n_rows <= 0) return;
  SequenceRows mine = rows;
  mine.first_row = static_cast<int>(batch.next_ids.size());
  mine.n_rows = n_rows;
  batch.sequences.push_back(mine);
  for (int i = 0; i < n_rows; ++i) {
    const int position = rows.first_position + i;
    batch.hidden_rows.push_back(rows.first_row + i);
    batch.next_ids.push_back(sequence.tokens[static_cast<std::size_t>(position) + 1]);
    batch.positions.push_back(position);
  }
  const bool is_last = rows.first_position + n_rows == sequence.n_tokens() - 1;
  if (!is_last || sequence.finish || sequence.n_completion_tokens() + 2 > sequence.max_tokens) return;
  batch.logits_rows.push_back(static_cast<int>(batch.next_ids.size()) - 1);
  batch.drafted.push_back(&sequence);
}

}  // namespace

void Drafter::follow(const ScheduledBatch& batch, Tensor hidden) {
  DraftBatch drafts;
  for (const ScheduledBatch::LogitsRow& row : batch.sampled) row.sequence->draft.reset();
  for (std::size_t i = 0; i < batch.sequences.size(); ++i)
    add_rows(drafts, batch.sequences[i], *batch.computed[i].sequence);
  if (drafts.next_ids.empty()) return;
  const Batch view = drafts.view();
  Pass pass{.pool = pool_, .arena = arena_, .batch = view, .kv = kv_};
  const Tensor rows = gather_rows(pass, hidden, drafts.hidden_rows);
  const Tensor logits = forward_.predict_second(pass, rows, drafts.next_ids, drafts.logits_rows);
  for (std::size_t i = 0; i < drafts.drafted.size(); ++i) {
    const float* row = logits.row(static_cast<std::int64_t>(i));
    drafts.drafted[i]->draft = static_cast<int>(std::max_element(row, row + logits.n_cols()) - row);
  }
}

}  // namespace r1
