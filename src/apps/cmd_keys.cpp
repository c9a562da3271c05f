// cmd_keys.cpp: `r1 keys create|list|revoke|limit`: API keys and what they may spend.
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include <fmt/chrono.h>
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

struct LimitFlags {
  std::string budget, expires;
  KeyLimits limits;
};

struct KeysArguments {
  std::string ledger, name, account = "local", credit;
  std::int64_t key_id = 0;
  LimitFlags flags;
  bool as_json = false;
};

void add_limit_flags(CLI::App& command, LimitFlags& flags) {
  const auto count = CLI::Range(std::int64_t{1}, std::int64_t{1} << 40);
  command.add_option("--budget", flags.budget, "dollars that its requests may cost together");
  command.add_option("--rpm", flags.limits.requests_per_minute, "requests a minute")->check(count);
  command.add_option("--tpm", flags.limits.tokens_per_minute, "tokens a minute")->check(count);
  command.add_option("--parallel", flags.limits.max_concurrent, "requests at a time")->check(count);
  command.add_option("--models", flags.limits.models, "the models it is for (default: all)")->delimiter(',');
  command.add_option("--expires", flags.expires, "last day it is good for, in UTC: 2026-12-31");
}

// Until the day has ended.
Result<std::int64_t> end_of_day_unix_ms(const std::string& day) {
  std::tm time{};
  const char* rest = ::strptime(day.c_str(), "%Y-%m-%d", &time);
  if (rest != nullptr && *rest == '\0' && day.size() == 10) return (std::int64_t{::timegm(&time)} + 86'400) * 1000;
  return Error{ErrorCode::kInvalidInput, fmt::format("--expires: '{}' is not a day such as 2026-12-31", day)};
}

Result<KeyLimits> read_limits(const LimitFlags& flags) {
  KeyLimits limits = flags.limits;
  if (!flags.budget.empty()) {
    R1_TRY(limits.budget_nanousd, parse_usd(flags.budget, "--budget"));
    if (limits.budget_nanousd == 0)
      return Error{ErrorCode::kInvalidInput, "--budget: more than 0; `r1 keys revoke` ends a key"};
  }
  if (!flags.expires.empty()) {
    R1_TRY(limits.expires_unix_ms, end_of_day_unix_ms(flags.expires));
  }
  return limits;
}

// The account of that name; a new one is prepaid when it is given credit, else it runs up a debt.
Result<std::int64_t> find_or_create_account(Ledger& ledger, const std::string& name, std::int64_t credit_nanousd) {
  Account account;
  R1_TRY_STATUS(ledger.look([&](const LedgerState& state) {
    if (const Account* found = state.find_account(name)) account = *found;
  }));
  if (account.id == 0) {
    R1_TRY(account.id, ledger.create_account(name, credit_nanousd > 0 ? AccountKind::kPrepaid : AccountKind::kMetered));
  }
  if (credit_nanousd > 0) R1_TRY_STATUS(ledger.credit(account.id, credit_nanousd, "r1 keys create"));
  return account.id;
}

Status create(const KeysArguments& arguments) {
  R1_TRY(const KeyLimits limits, read_limits(arguments.flags));
  R1_TRY_STATUS(check_name(arguments.name, "the name of a key"));
  std::int64_t credit_nanousd = 0;
  if (!arguments.credit.empty()) {
    R1_TRY(credit_nanousd, parse_usd(arguments.credit, "--credit"));
  }
  R1_TRY(const auto ledger, open_ledger(arguments.ledger));
  R1_TRY(const std::int64_t account, find_or_create_account(*ledger, arguments.account, credit_nanousd));
  R1_TRY(const NewKey key, ledger->create_key(account, arguments.name, limits));
  if (arguments.as_json) {
    fmt::print("{}\n", OrderedJson({{"id", key.id}, {"account", arguments.account}, {"key", key.secret}}).dump());
  } else {
    fmt::print(stderr, "key {} of account {}; it is shown this once:\n", key.id, arguments.account);
    fmt::print("{}\n", key.secret);
  }
  return {};
}

OrderedJson key_json(const Key& key, const LedgerState& state) {
  const KeyLimits& limits = key.detail.limits;
  return {{"id", key.id},
          {"name", key.detail.name},
          {"account", state.accounts().at(key.account_id).name},
          {"revoked", key.revoked},
          {"spent_nanousd", key.settled_nanousd},
          {"held_nanousd", key.held_nanousd},
          {"budget_nanousd", limits.budget_nanousd},
          {"requests_per_minute", limits.requests_per_minute},
          {"tokens_per_minute", limits.tokens_per_minute},
          {"max_concurrent", limits.max_concurrent},
          {"expires_unix_ms", limits.expires_unix_ms},
          {"models", limits.models}};
}

std::string limits_text(const Key& key) {
  const KeyLimits& limits = key.detail.limits;
  std::vector<std::string> parts;
  if (key.revoked) parts.emplace_back("revoked");
  if (limits.budget_nanousd > 0) parts.push_back("budget $" + format_usd(limits.budget_nanousd));
  if (limits.requests_per_minute > 0) parts.push_back(fmt::format("{} requests/min", limits.requests_per_minute));
  if (limits.tokens_per_minute > 0) parts.push_back(fmt::format("{} tokens/min", limits.tokens_per_minute));
  if (limits.max_concurrent > 0) parts.push_back(fmt::format("{} at a time", limits.max_concurrent));
  if (limits.expires_unix_ms > 0) {
    parts.push_back(fmt::format("until {:%Y-%m-%d}", fmt::gmtime(limits.expires_unix_ms / 1000 - 1)));
  }
  if (!limits.models.empty()) parts.push_back(fmt::format("for {}", fmt::join(limits.models, " ")));
  return parts.empty() ? "no limits" : fmt::format("{}", fmt::join(parts, ", "));
}

Status list(const KeysArguments& arguments) {
  R1_TRY(const auto ledger, open_existing_ledger(arguments.ledger));
  OrderedJson array = OrderedJson::array();
  std::string table = fmt::format("{:>5}  {:<20}  {:<16}  {:>16}  {}\n", "ID", "NAME", "ACCOUNT", "SPENT", "LIMITS");
  R1_TRY_STATUS(ledger->look([&](const LedgerState& state) {
    for (const auto& [id, key] : state.keys()) {
      array.push_back(key_json(key, state));
      table += fmt::format("{:>5}  {:<20}  {:<16}  {:>16}  {}\n", id, key.detail.name,
                           state.accounts().at(key.account_id).name, "$" + format_usd(key.settled_nanousd),
                           limits_text(key));
    }
  }));
  fmt::print("{}", arguments.as_json ? array.dump(2) + "\n" : table);
  return {};
}

Status revoke(const KeysArguments& arguments) {
  R1_TRY(const auto ledger, open_existing_ledger(arguments.ledger));
  R1_TRY_STATUS(ledger->revoke_key(arguments.key_id));
  fmt::print(stderr, "key {} is revoked; what it has running is still settled\n", arguments.key_id);
  return {};
}

Status limit(const KeysArguments& arguments) {
  R1_TRY(const KeyLimits limits, read_limits(arguments.flags));
  R1_TRY(const auto ledger, open_existing_ledger(arguments.ledger));
  return ledger->limit_key(arguments.key_id, limits);
}

}  // namespace

void add_keys(CLI::App& app, Action& action) {
  auto* keys = app.add_subcommand("keys", "API keys: create, list, revoke, limit");
  keys->require_subcommand(1);
  const auto arguments = std::make_shared<KeysArguments>();
  const auto add = [&](const char* name, const char* what, Status (*run)(const KeysArguments&)) {
    auto* command = keys->add_subcommand(name, what);
    add_ledger_option(*command, arguments->ledger);
    command->callback([&action, arguments, run] { action = [arguments, run] { return run(*arguments); }; });
    return command;
  };
  auto* create_command = add("create", "make a key and show it, this once", create);
  create_command->add_option("NAME", arguments->name, "what it is for")->required();
  create_command->add_option("--account", arguments->account, "who pays; made when there is none")
      ->capture_default_str();
  create_command->add_option("--credit", arguments->credit,
                             "dollars to pay into the account; one made so is prepaid, else it runs up a debt");
  create_command->add_flag("--json", arguments->as_json, "print a JSON object");
  add_limit_flags(*create_command, arguments->flags);
  add("list", "list keys, what they have spent and may do", list)
      ->add_flag("--json", arguments->as_json, "print a JSON array");
  add("revoke", "end a key, at once and for good", revoke)
      ->add_option("ID", arguments->key_id, "as `r1 keys list` shows it")
      ->required();
  auto* limit_command = add("limit", "replace all limits of a key by those given", limit);
  limit_command->add_option("ID", arguments->key_id, "as `r1 keys list` shows it")->required();
  add_limit_flags(*limit_command, arguments->flags);
}

}  // namespace r1
