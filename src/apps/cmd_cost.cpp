// cmd_cost.cpp: `r1 cost`: tokens by day and model, what they cost here, and what o1 would have cost.
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/ledger_file.h"
#include "base/json.h"
#include "ledger/money.h"

namespace r1 {
namespace {

struct Sum {
  std::int64_t n_requests = 0;
  MeteredTokens tokens;
  std::int64_t cost_nanousd = 0, o1_nanousd = 0;
};
using Sums = std::map<std::pair<std::string, std::string>, Sum>;  // by (day in UTC, model)

Status add_settlement(Sum& sum, const Entry& entry) {
  sum.n_requests += 1;
  sum.tokens.prompt += entry.tokens.prompt;
  sum.tokens.cached += entry.tokens.cached;
  sum.tokens.completion += entry.tokens.completion;
  R1_TRY(sum.cost_nanousd, add_nanousd(sum.cost_nanousd, entry.amount_nanousd));
  R1_TRY(sum.o1_nanousd, add_nanousd(sum.o1_nanousd, entry.o1_nanousd));
  return {};
}

Result<Sums> sum_up(Ledger& ledger) {
  Sums sums;
  R1_TRY([[maybe_unused]] const auto stored, ledger.read([&](const Entry& entry) -> Status {
    if (entry.kind != EntryKind::kSettle) return {};
    const std::string day = fmt::format("{:%Y-%m-%d}", fmt::gmtime(entry.unix_ms / 1000));
    return add_settlement(sums[{day, entry.model}], entry);
  }));
  return sums;
}

void print_json(const Sums& sums) {
  OrderedJson array = OrderedJson::array();
  for (const auto& [name, sum] : sums) {
    array.push_back({{"day", name.first},
                     {"model", name.second},
                     {"requests", sum.n_requests},
                     {"prompt_tokens", sum.tokens.prompt},
                     {"cached_tokens", sum.tokens.cached},
                     {"completion_tokens", sum.tokens.completion},
                     {"cost_nanousd", sum.cost_nanousd},
                     {"o1_nanousd", sum.o1_nanousd}});
  }
  fmt::print("{}\n", array.dump(2));
}

void print_table(const Sums& sums) {
  fmt::print("{:<10}  {:<24}  {:>8}  {:>12}  {:>12}  {:>12}  {:>16}  {:>16}\n", "DAY", "MODEL", "REQUESTS", "PROMPT",
             "CACHED", "COMPLETION", "COST", "AT O1'S PRICE");
  for (const auto& [name, sum] : sums) {
    fmt::print("{:<10}  {:<24}  {:>8}  {:>12}  {:>12}  {:>12}  {:>16}  {:>16}\n", name.first, name.second,
               sum.n_requests, sum.tokens.prompt, sum.tokens.cached, sum.tokens.completion,
               "$" + format_usd(sum.cost_nanousd), "$" + format_usd(sum.o1_nanousd));
  }
}

Status cost(const std::string& path, bool as_json) {
  R1_TRY(const auto ledger, open_existing_ledger(path));
  R1_TRY(const Sums sums, sum_up(*ledger));
  as_json ? print_json(sums) : print_table(sums);
  return {};
}

}  // namespace

void add_cost(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("cost", "tokens by day and model, their cost, and what o1 would have cost");
  const auto path = std::make_shared<std::string>();
  const auto as_json = std::make_shared<bool>(false);
  add_ledger_option(*command, *path);
  command->add_flag("--json", *as_json, "print a JSON array");
  command->callback([&action, path, as_json] { action = [path, as_json] { return cost(*path, *as_json); }; });
}

}  // namespace r1
