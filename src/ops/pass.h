// pass.h: what one run of the forward carries: the rows it is about, scratch memory, threads and the cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "ops/arena.h"
#include "ops/kv_cache.h"
#include "ops/tensor.h"

namespace r1 {

// Two ways to compute MLA that give the same numbers but for rounding. Which one computes a row is a property of the
// row (prompt or completion), never of the batch: so a text does not depend on how its tokens were scheduled.
enum class MlaKernel : std::uint8_t {
  kExpanded,  // keys and values of every head are made from the latents: fewer operations when many rows share them
  kAbsorbed,  // queries are taken to the latents: reads 576 numbers per cached token instead of 128 * 320
};

// The rows of one sequence: consecutive positions, consecutive rows of the batch.
struct SequenceRows {
  int first_row = 0;
  int n_rows = 0;
  int first_position = 0;             // earlier positions are in the cache already
  std::span<const KvBlockId> blocks;  // cover positions 0 to first_position + n_rows - 1
  MlaKernel mla_kernel = MlaKernel::kExpanded;
};

// Several sequences packed into one pass.
struct Batch {
  std::span<const int> token_ids;           // [tokens]
  std::span<const int> positions;           // [tokens]
  std::span<const SequenceRows> sequences;  // every row belongs to one of them
  std::span<const int> logits_rows;         // rows whose logits are wanted

  int n_tokens() const { return static_cast<int>(token_ids.size()); }
};

// Experts chosen for each row, for tests and statistics.
struct RouteRecord {
  int layer = 0;
  std::vector<int> expert_ids;  // [tokens, n_activated_experts], ascending within a token
  std::vector<float> weights;   // beside them
};

class OpProfile;
class Tape;

struct Pass {
  ThreadPool& pool;
  Arena& arena;
  const Batch& batch;
  KvCache& kv;
  std::vector<RouteRecord>* routes = nullptr;  // null: not recorded
  OpProfile* profile = nullptr;                // null: not timed
  Tape* tape = nullptr;                        // null: no gradients are wanted
  // Asked before each layer; null: all rows go to the end. An answer names the rows of `batch` that are still wanted,
  // in order, after whoever answers has changed `batch` to hold those alone. None: the forward ends, without logits.
  const FunctionRef<std::optional<std::span<const int>>()>* wanted_rows = nullptr;
  // Told of each layer's experts before they are read: [tokens, n_activated_experts]. Null: nobody wants to know.
  const FunctionRef<void(int layer, std::span<const std::int32_t> expert_ids)>* on_route = nullptr;

  int n_tokens() const { return batch.n_tokens(); }

  // What an op gives back: uninitialised; with a tape, room for its gradient beside it, zero.
  Tensor make(Shape shape) {
    Tensor made = make_scratch(shape);
    if (tape != nullptr) {
      made.grad = arena.allocate_floats(shape.n_values());
      std::fill_n(made.grad, shape.n_values(), 0.0f);
    }
    return made;
  }
  Tensor make_scratch(Shape shape) { return {arena.allocate_floats(shape.n_values()), shape}; }  // without gradient

  // The memory of a tensor that is read no more, for another of its shape; with a tape, which still reads it, new
  // memory.
  Tensor make_over(Tensor old) { return tape == nullptr ? old : make(old.shape); }

  // body(first, last, thread) over [0, n) in pieces of at most `piece` items.
  template <typename Body>
  void parallel_pieces(std::int64_t n, std::int64_t piece, Body&& body) {
    const auto n_tasks = static_cast<int>((n + piece - 1) / piece);
    pool.run(n_tasks, [&](int task, int thread) {
      const std::int64_t first = task * piece;
      body(first, first + piece < n ? first + piece : n, thread);
    });
  }
};

// Gives back at the end of a scope what a pass made within it; with a tape, which reads it later, nothing.
class PassScope {
 public:
  explicit PassScope(Pass& pass) {
    if (pass.tape == nullptr) scope_.emplace(pass.arena);
  }

 private:
  std::optional<ArenaScope> scope_;
};

}  // namespace r1
