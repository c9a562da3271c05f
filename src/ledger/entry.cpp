// entry.cpp: an entry as columns of text, and its hash.
#include "ledger/entry.h"

#include <charconv>

#include <fmt/format.h>

#include "base/sha256.h"

namespace r1 {
namespace {

constexpr std::array<std::string_view, 9> kKinds = {"account", "key",     "limit",  "revoke", "price",
                                                    "credit",  "reserve", "settle", "void"};
constexpr std::size_t kKindColumn = 2, kFirstTextColumn = 14;

// The numbers of an entry in the order of their columns; the kind is one, too.
template <typename AnyEntry>
auto numbers_of(AnyEntry& e) {
  return std::array{&e.seq,
                    &e.unix_ms,
                    &e.account_id,
                    &e.key_id,
                    &e.hold_id,
                    &e.amount_nanousd,
                    &e.o1_nanousd,
                    &e.tokens.prompt,
                    &e.tokens.cached,
                    &e.tokens.completion,
                    &e.prices.input_nanousd,
                    &e.prices.cached_nanousd,
                    &e.prices.output_nanousd};
}

}  // namespace

std::string_view to_string(EntryKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

std::vector<std::string> to_columns(const Entry& entry) {
  std::vector<std::string> columns;
  for (const std::int64_t* number : numbers_of(entry)) columns.push_back(fmt::format("{}", *number));
  columns.insert(columns.begin() + kKindColumn, std::string(to_string(entry.kind)));
  columns.insert(columns.end(), {entry.model, entry.request, entry.detail, entry.hash});
  return columns;
}

Result<Entry> from_columns(const std::vector<std::string>& columns) {
  R1_ASSERT(columns.size() == kEntryColumns.size(), "an entry has one text a column");
  Entry entry;
  std::size_t column = 0;
  for (std::int64_t* number : numbers_of(entry)) {
    if (column == kKindColumn) ++column;
    const std::string& text = columns[column];
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), *number);
    if (problem != std::errc() || end != text.data() + text.size()) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("entry {}: {} is '{}', not a number", columns[0], kEntryColumns[column], text)};
    }
    ++column;
  }
  std::size_t kind = 0;
  while (kind < kKinds.size() && kKinds[kind] != columns[kKindColumn]) ++kind;
  if (kind == kKinds.size()) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("entry {}: no kind is called '{}'", columns[0], columns[kKindColumn])};
  }
  entry.kind = static_cast<EntryKind>(kind);
  entry.model = columns[kFirstTextColumn];
  entry.request = columns[kFirstTextColumn + 1];
  entry.detail = columns[kFirstTextColumn + 2];
  entry.hash = columns[kFirstTextColumn + 3];
  return entry;
}

std::string hash_of(const Entry& entry, std::string_view hash_before) {
  std::string text(hash_before);
  std::vector<std::string> columns = to_columns(entry);
  columns.pop_back();  // the hash itself
  for (const std::string& column : columns) text += fmt::format("{}:{},", column.size(), column);
  return sha256_hex(text);
}

}  // namespace r1
