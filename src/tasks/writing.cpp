// writing.cpp: traces of column arithmetic, and what else several tasks write.
#include "tasks/writing.h"

#include <fmt/format.h>

#include "tasks/rational.h"

namespace r1 {
namespace {

// Digits of `value` from the ones on; 0 beyond its end.
int digit_at(std::int64_t value, int place) {
  for (; place > 0; --place) value /= 10;
  return static_cast<int>(value % 10);
}

int n_digits(std::int64_t value) { return static_cast<int>(std::to_string(value).size()); }

}  // namespace

int draw_between(Rng& rng, int least, int most) {
  return least + static_cast<int>(rng.below(std::uint64_t(1) + static_cast<unsigned>(most - least)));
}

Language draw_language(Rng& rng) { return rng.below(2) == 0 ? Language::kEnglish : Language::kChinese; }

std::string draw_notation(Rng& rng, std::string_view expression) {
  const bool has_spaces = rng.below(2) == 0, has_printed_signs = rng.below(4) == 0;
  std::string text;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    const bool is_sign = std::string_view("+-*/=").find(c) != std::string_view::npos;
    const bool is_between =
        is_sign && i > 0 && std::string_view("+-*/=(").find(expression[i - 1]) == std::string_view::npos;
    const std::string_view space = is_between && has_spaces ? " " : "";
    const std::string sign = has_printed_signs && c == '*'   ? "×"
                             : has_printed_signs && c == '/' ? "÷"
                                                             : std::string(1, c);
    text += fmt::format("{0}{1}{0}", space, sign);
  }
  return text;
}

std::string written_trace(std::string_view thinking, std::string_view answer) {
  return fmt::format("<think>\n{}</think>\n\n{}", thinking, answer);
}

std::int64_t draw_by_digits(Rng& rng, int most_digits) {
  int least = 1;
  for (int n = draw_between(rng, 1, most_digits); n > 1; --n) least *= 10;
  return draw_between(rng, least == 1 ? 0 : least, least * 10 - 1);
}

std::string addition_lines(std::int64_t a, std::int64_t b) {
  std::string lines, written;
  int carry = 0;
  const int n = std::max(n_digits(a), n_digits(b));
  for (int place = 0; place < n; ++place) {
    const int x = digit_at(a, place), y = digit_at(b, place), sum = x + y + carry;
    // The last column writes all of its sum: there is nothing left to carry it to.
    written.insert(0, std::to_string(place + 1 < n ? sum % 10 : sum));
    lines += fmt::format("{}+{}+{}={} | {}\n", x, y, carry, sum, written);
    carry = sum / 10;
  }
  return lines;
}

std::string subtraction_lines(std::int64_t a, std::int64_t b) {
  std::string lines, written;
  int borrowed = 0;
  for (int place = 0; place < n_digits(a); ++place) {
    const int x = digit_at(a, place), y = digit_at(b, place);
    const bool borrows = x < y + borrowed;
    const int digit = x - y - borrowed + (borrows ? 10 : 0);
    written.insert(0, std::to_string(digit));
    if (borrows) lines += fmt::format("{}-{}-{}<0 ", x, y, borrowed);
    lines += fmt::format("{}-{}-{}={} | {}\n", borrows ? x + 10 : x, y, borrowed, digit, written);
    borrowed = borrows ? 1 : 0;
  }
  return lines;
}

std::string multiplication_lines(std::int64_t a, int digit) {
  std::string lines, written;
  int carry = 0;
  const int n = n_digits(a);
  for (int place = 0; place < n; ++place) {
    const int x = digit_at(a, place), product = x * digit + carry;
    written.insert(0, std::to_string(place + 1 < n ? product % 10 : product));
    lines += fmt::format("{}*{}+{}={} | {}\n", x, digit, carry, product, written);
    carry = product / 10;
  }
  return lines;
}

std::string long_multiplication_lines(std::int64_t a, int b) {
  const int ones = b % 10, tens = b / 10;
  std::string lines = fmt::format("{}*{}\n{}", a, ones, multiplication_lines(a, ones));
  if (tens == 0) return lines;
  lines += fmt::format("{}*{}\n{}{}*{}={}\n", a, tens, multiplication_lines(a, tens), a, tens * 10, a * tens * 10);
  return lines + fmt::format("{}+{}\n{}", a * ones, a * tens * 10, addition_lines(a * ones, a * tens * 10));
}

bool is_same_number(const Problem& problem, std::string_view answer) {
  if (answer.find('/') != answer.npos) return false;  // "60/2" is the question again
  const std::optional<Rational> given = parse_rational(answer), right = parse_rational(problem.answer);
  return given && right && *given == *right;
}

}  // namespace r1
