// logic.cpp: knights, who tell the truth, and knaves, who lie: three people, a statement each, one solution. The trace
// notes the statements in short and tries the eight cases, 1 for a knight and 0 for a knave; in each it looks at one
// statement after the other, up to the first whose truth is not its speaker's kind.
#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr int kPeople = 3, kCases = 1 << kPeople;
constexpr std::string_view kPuzzleNamesEn[] = {"Ann", "Bob", "Cat", "Dan", "Eve", "Fay", "Gus", "Hal"};
constexpr std::string_view kPuzzleNamesZh[] = {"甲", "乙", "丙", "丁", "戊", "己", "庚", "辛"};

enum class Claim { kIsKnight, kIsKnave, kSameKind, kDifferentKinds, kKnaveCount, kKnavesAtLeast };
constexpr int kClaims = 6;

struct Statement {
  Claim claim;
  int first = 0, second = 0, n_knaves = 0;  // people it is about, or the number of knaves it gives
};
using Names = std::array<std::string_view, kPeople>;
using Puzzle = std::array<Statement, kPeople>;  // who says it is its place

bool is_knight(int kinds, int person) { return ((kinds >> person) & 1) != 0; }

int n_knaves(int kinds) {
  int n = 0;
  for (int person = 0; person < kPeople; ++person) n += is_knight(kinds, person) ? 0 : 1;
  return n;
}

bool is_true(const Statement& statement, int kinds) {
  switch (statement.claim) {
    case Claim::kIsKnight:
      return is_knight(kinds, statement.first);
    case Claim::kIsKnave:
      return !is_knight(kinds, statement.first);
    case Claim::kSameKind:
      return is_knight(kinds, statement.first) == is_knight(kinds, statement.second);
    case Claim::kDifferentKinds:
      return is_knight(kinds, statement.first) != is_knight(kinds, statement.second);
    case Claim::kKnaveCount:
      return n_knaves(kinds) == statement.n_knaves;
    case Claim::kKnavesAtLeast:
      return n_knaves(kinds) >= statement.n_knaves;
  }
  return false;
}

bool is_contradicted(const Puzzle& puzzle, int kinds) {
  for (int person = 0; person < kPeople; ++person) {
    if (is_true(puzzle[person], kinds) != is_knight(kinds, person)) return true;
  }
  return false;
}

std::vector<int> solutions(const Puzzle& puzzle) {
  std::vector<int> found;
  for (int kinds = 0; kinds < kCases; ++kinds) {
    if (!is_contradicted(puzzle, kinds)) found.push_back(kinds);
  }
  return found;
}

Statement draw_statement(Rng& rng, int speaker) {
  const int other = (speaker + draw_between(rng, 1, kPeople - 1)) % kPeople;
  const Claim claim = static_cast<Claim>(rng.below(kClaims));
  if (claim == Claim::kKnaveCount) return {.claim = claim, .n_knaves = draw_between(rng, 0, kPeople)};
  if (claim == Claim::kKnavesAtLeast) return {.claim = claim, .n_knaves = draw_between(rng, 1, kPeople)};
  if (claim == Claim::kIsKnight || claim == Claim::kIsKnave) return {.claim = claim, .first = other};
  const int left_out = draw_between(rng, 0, kPeople - 1);
  return {.claim = claim, .first = left_out == 0 ? 1 : 0, .second = left_out == 2 ? 1 : 2};
}

Puzzle draw_puzzle(Rng& rng) {
  for (;;) {
    Puzzle puzzle;
    for (int person = 0; person < kPeople; ++person) puzzle[person] = draw_statement(rng, person);
    if (solutions(puzzle).size() == 1) return puzzle;
  }
}

std::string wording(const Statement& s, Language language, const Names& names) {
  constexpr std::string_view kEnglish[] = {"{0} is a knight",
                                           "{0} is a knave",
                                           "{0} and {1} are of the same kind",
                                           "{0} and {1} are of different kinds",
                                           "the number of knaves is {2}",
                                           "the number of knaves is at least {2}"};
  constexpr std::string_view kChinese[] = {"{0}是骑士",      "{0}是骗子",     "{0}和{1}是同类",
                                           "{0}和{1}不同类", "骗子共有{2}个", "骗子至少有{2}个"};
  const int claim = static_cast<int>(s.claim);
  return fmt::format(fmt::runtime(in_language(language, kEnglish[claim], kChinese[claim])), names[s.first],
                     names[s.second], s.n_knaves);
}

// "Bob knave", "Ann=Cat", "Ann#Cat", "knaves=2", "knaves>=2"
std::string in_short(const Statement& s, Language language, const Names& names) {
  constexpr std::string_view kEnglish[] = {"{0} knight", "{0} knave",  "{0}={1}",
                                           "{0}#{1}",    "knaves={2}", "knaves>={2}"};
  constexpr std::string_view kChinese[] = {"{0}骑士", "{0}骗子", "{0}={1}", "{0}#{1}", "骗子={2}", "骗子>={2}"};
  const int claim = static_cast<int>(s.claim);
  return fmt::format(fmt::runtime(in_language(language, kEnglish[claim], kChinese[claim])), names[s.first],
                     names[s.second], s.n_knaves);
}

// What the case says about what the statement speaks of: kinds, or the number of knaves.
std::string facts(const Statement& s, int kinds) {
  const bool is_about_two = s.claim == Claim::kSameKind || s.claim == Claim::kDifferentKinds;
  if (is_about_two) return fmt::format("{:d}{:d}", is_knight(kinds, s.first), is_knight(kinds, s.second));
  const bool is_about_one = s.claim == Claim::kIsKnight || s.claim == Claim::kIsKnave;
  return is_about_one ? fmt::format("{:d}", is_knight(kinds, s.first)) : fmt::format(",{}", n_knaves(kinds));
}

// "Ann1 Bob0 Cat1", then a line for each statement that is looked at: "Ann Bob knave0 true?1 yes". No space where it
// would be a token of its own.
std::string case_lines(const Puzzle& puzzle, int kinds, Language language, const Names& names) {
  std::string lines;
  for (int person = 0; person < kPeople; ++person)
    lines += fmt::format("{}{}{:d}", person > 0 ? in_language(language, " ", "") : "", names[person],
                         is_knight(kinds, person));
  lines += '\n';
  for (int person = 0; person < kPeople; ++person) {
    const Statement& statement = puzzle[person];
    const bool truth = is_true(statement, kinds), fits = truth == is_knight(kinds, person);
    lines += fmt::format(fmt::runtime(in_language(language, "{} {}{} {}?{:d} {}\n", "{}{}{}{}?{:d}{}\n")),
                         names[person], in_short(statement, language, names), facts(statement, kinds),
                         truth ? in_language(language, "true", "真") : in_language(language, "false", "假"),
                         is_knight(kinds, person),
                         fits ? in_language(language, "yes", "对") : in_language(language, "no", "不对"));
    if (!fits) break;
  }
  return lines;
}

std::string knaves(int kinds, Language language, const Names& names) {
  std::vector<std::string_view> found;
  for (int person = 0; person < kPeople; ++person) {
    if (!is_knight(kinds, person)) found.push_back(names[person]);
  }
  if (found.empty()) return std::string(in_language(language, "nobody", "没有"));
  return fmt::format("{}", fmt::join(found, in_language(language, ", ", "、")));
}

Names draw_names(Rng& rng, Language language) {
  Names names;
  for (int i = 0; i < kPeople;) {
    const std::string_view name =
        language == Language::kEnglish ? draw_one(rng, kPuzzleNamesEn) : draw_one(rng, kPuzzleNamesZh);
    if (std::find(names.begin(), names.begin() + i, name) == names.begin() + i) names[i++] = name;
  }
  return names;
}

std::string question(const Puzzle& puzzle, Language language, const Names& names) {
  std::string text(in_language(language, "Knights tell the truth, knaves lie.", "骑士说真话，骗子说假话。"));
  for (int person = 0; person < kPeople; ++person)
    text += fmt::format(fmt::runtime(in_language(language, " {} says: {}.", "{}说：{}。")), names[person],
                        wording(puzzle[person], language, names));
  return text + std::string(in_language(language, " Who are the knaves?", "谁是骗子？"));
}

// The key with person i called order[i], and speaking in that place.
std::string key_in_order(const Puzzle& puzzle, const std::array<int, kPeople>& order) {
  std::array<std::string, kPeople> parts;
  for (int person = 0; person < kPeople; ++person) {
    const Statement& s = puzzle[person];
    const bool is_about_two = s.claim == Claim::kSameKind || s.claim == Claim::kDifferentKinds;
    const bool is_about_one = s.claim == Claim::kIsKnight || s.claim == Claim::kIsKnave;
    const int first = is_about_one || is_about_two ? order[s.first] : 0,
              second = is_about_two ? order[s.second] : first;
    parts[order[person]] = fmt::format(" {}{}{}{}", static_cast<int>(s.claim), std::min(first, second),
                                       std::max(first, second), s.n_knaves);
  }
  return "knights" + parts[0] + parts[1] + parts[2];
}

// Who is named and who speaks first makes no difference: the least of the keys in all orders.
std::string canonical_key(const Puzzle& puzzle) {
  std::array<int, kPeople> order = {0, 1, 2};
  std::string least = key_in_order(puzzle, order);
  while (std::next_permutation(order.begin(), order.end())) least = std::min(least, key_in_order(puzzle, order));
  return least;
}

Problem draw_knights(Rng& rng) {
  const Puzzle puzzle = draw_puzzle(rng);
  const int solution = solutions(puzzle)[0];
  Problem problem;
  problem.language = draw_language(rng);
  const Names names = draw_names(rng, problem.language);
  problem.prompt = question(puzzle, problem.language, names);
  problem.key = canonical_key(puzzle);
  std::string lines;
  for (int person = 0; person < kPeople; ++person)
    lines += fmt::format("{}:{}{}\n", names[person], in_language(problem.language, " ", ""),
                         in_short(puzzle[person], problem.language, names));
  for (int kinds = kCases - 1; kinds >= solution; --kinds) lines += case_lines(puzzle, kinds, problem.language, names);
  problem.answer = knaves(solution, problem.language, names);
  problem.trace = written_trace(lines, problem.answer);
  return problem;
}

// The names, sorted; between them stand commas, "and", or spaces.
std::vector<std::string> names_in(std::string_view text) {
  constexpr std::string_view kBetween[] = {",", "、", "，", " and ", "和", " "};
  std::vector<std::string> names(1);
  while (!text.empty()) {
    const auto between = std::find_if(std::begin(kBetween), std::end(kBetween),
                                      [&](std::string_view separator) { return text.starts_with(separator); });
    if (between == std::end(kBetween)) {
      names.back() += text[0];
      text.remove_prefix(1);
    } else {
      text.remove_prefix(between->size());
      if (!names.back().empty()) names.emplace_back();
    }
  }
  if (names.back().empty()) names.pop_back();
  std::sort(names.begin(), names.end());
  return names;
}

bool names_knaves(const Problem& problem, std::string_view answer) {
  return names_in(answer) == names_in(problem.answer);
}

}  // namespace

const Task kLogic = {.name = "logic",
                     .summary = "three knights and knaves: who lies?",
                     .draw = draw_knights,
                     .is_right = names_knaves,
                     .n_problems = 423};  // counted

}  // namespace r1
