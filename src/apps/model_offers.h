// model_offers.h: the models that `r1 serve` was given, looked at without loading them: what each would take in memory,
// and how it is loaded when somebody asks for it.
#pragma once

#include <string>
#include <vector>

#include "apps/loaded_model.h"
#include "base/result.h"
#include "serve/model_roster.h"

namespace r1 {

struct OfferOptions {
  EngineFlags flags;
  std::string name;  // of the only model, in place of its own; empty: its own
};

// In the order given; an Error names the first that is not there, can't be read, or has another's name. None is loaded.
Result<std::vector<OfferedModel>> offer_models(const std::vector<std::string>& paths_or_names,
                                               const OfferOptions& options);

// Of weights, cache and working memory: what a running engine holds, or a little more.
std::int64_t loaded_bytes(const Model& model, const ModelEngineOptions& engine);

// What models may take of a budget for the whole process; an Error when that leaves them nothing.
Result<std::int64_t> bytes_for_models(std::int64_t process_bytes);

}  // namespace r1
