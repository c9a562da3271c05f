// dates.cpp: days of the week so many days later, and dates of an ordinary year so many days later.
#include <cctype>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr int kLongestWait = 365, kLongestDateWait = 90;
constexpr std::string_view kDaysEn[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
constexpr std::string_view kDaysZh[] = {"星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"};
constexpr std::string_view kMonthsEn[] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};
constexpr int kMonthDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

// {0}: the day, {1}: how many days.
constexpr std::string_view kWeekdayEn[] = {
    "Today is {0}. What day of the week is it in {1} days?", "Today is {0}. What day is it in {1} days?",
    "If today is {0}, what day will it be in {1} days?", "What day of the week is {1} days after {0}?",
    "It is {0}. Which weekday is it {1} days later?"};
constexpr std::string_view kWeekdayZh[] = {"今天是{0}，{1}天后是星期几？", "如果今天是{0}，{1}天后是星期几？",
                                           "今天{0}，再过{1}天是星期几？", "{0}的{1}天后是星期几？"};
// {0}: the date, {1}: how many days.
constexpr std::string_view kDateEn[] = {"What is the date {1} days after {0}, in a year of 365 days?",
                                        "Which date is {1} days after {0}, if it is not a leap year?",
                                        "Today is {0} of an ordinary year. What is the date in {1} days?"};
constexpr std::string_view kDateZh[] = {"平年中，{0}的{1}天后是几月几日？", "今天是平年的{0}，{1}天后是几月几日？",
                                        "平年里，{0}再过{1}天是几月几日？"};

std::string_view day_name(Language language, int day) { return in_language(language, kDaysEn[day], kDaysZh[day]); }

std::string month_name(Language language, int month) {
  return language == Language::kEnglish ? std::string(kMonthsEn[month]) : fmt::format("{}月", month + 1);
}

std::string date_name(Language language, int month, int day) {
  return language == Language::kEnglish ? fmt::format("{} {}", kMonthsEn[month], day)
                                        : fmt::format("{}月{}日", month + 1, day);
}

Problem draw_weekday(Rng& rng) {
  const int today = draw_between(rng, 0, 6), wait = draw_between(rng, 1, kLongestWait), rest = wait % 7;
  Problem problem;
  problem.language = draw_language(rng);
  problem.prompt = fmt::format(fmt::runtime(draw_form(rng, problem.language, kWeekdayEn, kWeekdayZh)),
                               day_name(problem.language, today), wait);
  problem.key = fmt::format("weekday {} {}", today, wait);
  std::string lines = fmt::format("7*{}={}\n{}-{}={}\n", wait / 7, wait - rest, wait, wait - rest, rest);
  for (int i = 0; i <= rest; ++i) lines += fmt::format("{} {}\n", i, day_name(problem.language, (today + i) % 7));
  problem.answer = day_name(problem.language, (today + rest) % 7);
  problem.trace = written_trace(lines, problem.answer);
  return problem;
}

// January to September only: within the waits we draw, the year doesn't end.
Problem draw_date(Rng& rng) {
  const int month = draw_between(rng, 0, 8), day = draw_between(rng, 1, kMonthDays[month]);
  const int wait = draw_between(rng, 2, kLongestDateWait);
  Problem problem;
  problem.language = draw_language(rng);
  const std::string date = date_name(problem.language, month, day);
  problem.prompt = fmt::format(fmt::runtime(draw_form(rng, problem.language, kDateEn, kDateZh)), date, wait);
  problem.key = fmt::format("date {} {} {}", month + 1, day, wait);
  int end_month = month, end_day = day + wait;
  std::string lines = fmt::format("{}+{}={}\n", day, wait, end_day);
  const std::string_view more = in_language(problem.language, "more", "大");
  for (; end_day > kMonthDays[end_month]; ++end_month) {
    const int length = kMonthDays[end_month];
    lines += fmt::format("{} {}?{} {} {}-{}={}\n", month_name(problem.language, end_month), end_day, length, more,
                         end_day, length, end_day - length);
    end_day -= length;
  }
  lines += fmt::format("{} {}?{} {}\n", month_name(problem.language, end_month), end_day, kMonthDays[end_month],
                       in_language(problem.language, "fits", "可以"));
  problem.answer = date_name(problem.language, end_month, end_day);
  problem.trace = written_trace(lines, problem.answer);
  return problem;
}

Problem draw_calendar(Rng& rng) { return rng.below(2) == 0 ? draw_weekday(rng) : draw_date(rng); }

// A date in the one way in which problems write it: "october 18" is "October 18", "周天" "星期日", "10月18号"
// "10月18日".
std::string usual_date(std::string_view text) {
  std::string date(text);
  for (const auto& [other, usual] : {std::pair{"礼拜", "星期"}, {"周", "星期"}, {"天", "日"}, {"号", "日"}}) {
    if (const std::size_t at = date.find(other); at != date.npos)
      date.replace(at, std::string_view(other).size(), usual);
  }
  for (char& c : date) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return date;
}

bool is_same_date(const Problem& problem, std::string_view answer) {
  return usual_date(answer) == usual_date(problem.answer);
}

}  // namespace

const Task kDates = {.name = "dates",
                     .summary = "the day of the week, or the date, so many days later",
                     .draw = draw_calendar,
                     .is_right = is_same_date,
                     .n_problems = 7.0 * kLongestWait + 273.0 * (kLongestDateWait - 1)};

}  // namespace r1
