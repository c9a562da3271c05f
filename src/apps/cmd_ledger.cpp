// cmd_ledger.cpp: `r1 ledger verify|show|export|credit|price`.
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/ledger_file.h"
#include "base/json.h"
#include "ledger/money.h"

namespace r1 {
namespace {

struct LedgerArguments {
  std::string ledger, account, amount;
  PriceVersion prices;
  bool as_json = false;
};

Status verify(const LedgerArguments& arguments) {
  R1_TRY(const auto ledger, open_existing_ledger(arguments.ledger));
  R1_TRY(const VerifyReport report, ledger->verify());
  if (arguments.as_json) {
    fmt::print("{}\n", OrderedJson({{"entries", report.n_entries},
                                    {"accounts", report.n_accounts},
                                    {"open_holds", report.n_open_holds},
                                    {"head", report.head},
                                    {"snapshot", report.snapshot_seq}})
                           .dump());
    return {};
  }
  fmt::print(
      "{} entries follow from each other, {} balances are the sums of their entries, {} holds are open\nhead {}\n",
      report.n_entries, report.n_accounts, report.n_open_holds, report.head);
  return {};
}

Status show(const LedgerArguments& arguments) {
  R1_TRY(const auto ledger, open_existing_ledger(arguments.ledger));
  OrderedJson array = OrderedJson::array();
  std::string table = fmt::format("{:<20}  {:<8}  {:>18}  {:>18}\n", "ACCOUNT", "KIND", "BALANCE", "HELD");
  R1_TRY_STATUS(ledger->look([&](const LedgerState& state) {
    for (const auto& [id, account] : state.accounts()) {
      const char* kind = account.prepaid ? "prepaid" : "metered";
      array.push_back({{"id", id},
                       {"account", account.name},
                       {"kind", kind},
                       {"balance_nanousd", account.balance_nanousd},
                       {"held_nanousd", account.held_nanousd}});
      table += fmt::format("{:<20}  {:<8}  {:>18}  {:>18}\n", account.name, kind, format_usd(account.balance_nanousd),
                           format_usd(account.held_nanousd));
    }
  }));
  fmt::print("{}", arguments.as_json ? array.dump(2) + "\n" : table);
  return {};
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// Numbers as numbers: every column but these.
bool is_text_column(std::string_view column) {
  return column == "kind" || column == "model" || column == "request" || column == "detail" || column == "hash";
}

std::string json_list(const std::vector<std::string>& columns) {
  std::string line;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string value = is_text_column(kEntryColumns[i]) ? Json(columns[i]).dump() : columns[i];
    line += fmt::format("{}\"{}\":{}", i == 0 ? "{" : ",", kEntryColumns[i], value);
  }
  return line + "}\n";
}

Status export_entries(const LedgerArguments& arguments) {
  R1_TRY(const auto ledger, open_existing_ledger(arguments.ledger));
  if (!arguments.as_json) fmt::print("{}\n", fmt::join(kEntryColumns, ","));
  R1_TRY([[maybe_unused]] const auto sums, ledger->read([&](const Entry& entry) -> Status {
    const std::vector<std::string> columns = to_columns(entry);
    if (arguments.as_json) {
      fmt::print("{}", json_list(columns));
      return {};
    }
    for (std::size_t i = 0; i < columns.size(); ++i) fmt::print("{}{}", i == 0 ? "" : ",", csv_field(columns[i]));
    fmt::print("\n");
    return {};
  }));
  return {};
}

Status credit(const LedgerArguments& arguments) {
  R1_TRY(const std::int64_t amount, parse_usd(arguments.amount, "DOLLARS"));
  R1_TRY(const auto ledger, open_existing_ledger(arguments.ledger));
  std::int64_t account_id = 0;
  R1_TRY_STATUS(ledger->look([&](const LedgerState& state) {
    if (const Account* account = state.find_account(arguments.account)) account_id = account->id;
  }));
  if (account_id != 0) return ledger->credit(account_id, amount, "r1 ledger credit");
  return Error{ErrorCode::kNotFound,
               fmt::format("the ledger has no account '{}'; `r1 ledger show` lists them", arguments.account)};
}

Status set_price(const LedgerArguments& arguments) {
  R1_TRY(const auto ledger, open_ledger(arguments.ledger));
  return ledger->set_prices(arguments.prices);
}

void add_price_options(CLI::App& command, PriceVersion& prices) {
  const auto price = CLI::Range(std::int64_t{0}, std::int64_t{1'000'000'000});
  command.add_option("MODEL", prices.model, "the model's name as clients ask for it; '*': all without a price")
      ->required();
  command.add_option("INPUT", prices.prices.input_nanousd, "nano-dollars a token: $0.55 a million is 550")
      ->required()
      ->check(price);
  command.add_option("CACHED", prices.prices.cached_nanousd, "of prompt tokens found in the cache")
      ->required()
      ->check(price);
  command.add_option("OUTPUT", prices.prices.output_nanousd, "of completion tokens, thinking included")
      ->required()
      ->check(price);
  const auto minute = CLI::Range(0, 1439);
  auto* from =
      command.add_option("--off-peak-from", prices.off_peak_from_minute, "minute of the UTC day: 990 is 16:30")
          ->check(minute);
  auto* until =
      command.add_option("--off-peak-until", prices.off_peak_until_minute, "may be past midnight: 30 is 00:30")
          ->check(minute);
  auto* input = command.add_option("--off-peak-input", prices.off_peak_prices.input_nanousd)->check(price);
  auto* cached = command.add_option("--off-peak-cached", prices.off_peak_prices.cached_nanousd)->check(price);
  auto* output = command.add_option("--off-peak-output", prices.off_peak_prices.output_nanousd)->check(price);
  for (auto* option : {until, input, cached, output}) from->needs(option), option->needs(from);
}

}  // namespace

void add_ledger(CLI::App& app, Action& action) {
  auto* ledger = app.add_subcommand("ledger", "verify, show and export what was metered; pay in; set prices");
  ledger->require_subcommand(1);
  const auto arguments = std::make_shared<LedgerArguments>();
  const auto add = [&](const char* name, const char* what, Status (*run)(const LedgerArguments&)) {
    auto* command = ledger->add_subcommand(name, what);
    add_ledger_option(*command, arguments->ledger);
    command->callback([&action, arguments, run] { action = [arguments, run] { return run(*arguments); }; });
    return command;
  };
  add("verify", "walk the chain of entries and compare the balances with their sums", verify)
      ->add_flag("--json", arguments->as_json, "print a JSON object");
  add("show", "accounts and their balances, in dollars", show)
      ->add_flag("--json", arguments->as_json, "print a JSON array");
  add("export", "all entries as CSV", export_entries)
      ->add_flag("--json", arguments->as_json, "a JSON object a line instead");
  auto* credit_command = add("credit", "pay into an account", credit);
  credit_command->add_option("ACCOUNT", arguments->account)->required();
  credit_command->add_option("DOLLARS", arguments->amount, "12.50")->required();
  add_price_options(*add("price", "a new version of a model's prices, for requests from now on", set_price),
                    arguments->prices);
}

}  // namespace r1
