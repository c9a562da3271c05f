// train_progress.h: the line that tells how far a stage of training is.
#pragma once

#include "train/stage.h"

namespace r1 {

// On a terminal one line that is written over; else a line every few seconds. To stderr.
void print_progress(const StageProgress& progress);

}  // namespace r1
