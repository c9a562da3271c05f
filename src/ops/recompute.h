// recompute.h: memory for time in training (Chen et al. 2016, "Training deep nets with sublinear memory cost"): what a
// part of the forward made is forgotten, and made again when its gradients are wanted.
#pragma once

#include <utility>

#include "ops/pass.h"
#include "ops/tape.h"

namespace r1 {

// body(pass), whose results lie in tensors that were made before. It may run twice: what it reads must still be there
// when gradients are found, and it writes the same bits again. Without a tape that asks for it: body(pass) and no more.
template <typename Body>
void recomputable(Pass& pass, Body body) {
  Tape* const tape = pass.tape;
  if (tape == nullptr || !tape->recompute) {
    body(pass);
    return;
  }
  {
    const ArenaScope scope(pass.arena);
    pass.tape = nullptr;
    body(pass);
    pass.tape = tape;
  }
  tape->record([body = std::move(body)](Pass& recorded) {
    const ArenaScope scope(recorded.arena);
    Tape part = recorded.tape->part();
    Pass again = recorded;
    again.routes = nullptr;  // they were counted the first time
    again.wanted_rows = nullptr;
    again.tape = &part;
    body(again);
    part.backward(again);
  });
}

}  // namespace r1
