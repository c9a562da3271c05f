// pull.h: brings a model of the catalogue into the store, or goes on where an earlier pull stopped.
#pragma once

#include <string>

#include "apps/download.h"
#include "apps/progress.h"
#include "apps/pull_plan.h"
#include "apps/store.h"
#include "base/result.h"

namespace r1 {

// Tries the sources of the name in turn. Returns the finished model; at once, without a network, when it is here.
Result<StoredModel> pull_model(const Store& store, const std::string& name, const Registries& registries,
                               const DownloadOptions& options, PullProgress& progress);

}  // namespace r1
