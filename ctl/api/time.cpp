#include "ctl/api/time.h"

#include <chrono>

namespace serin::ctl {
namespace {

/// Takes `digits` digits and, if any is asked for, the character behind them.
std::optional<unsigned> take(std::string_view& text, size_t digits, std::string_view behind) {
  if (text.size() < digits + behind.size()) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  text.remove_prefix(digits);
  if (!text.starts_with(behind)) return std::nullopt;
  text.remove_prefix(behind.size());
  return value;
}

/// `.25` as 250,000; nothing as 0.
std::optional<int64_t> take_fraction(std::string_view& text) {
  if (!text.starts_with('.')) return 0;
  text.remove_prefix(1);
  int64_t micros = 0;
  size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
    if (++digits > 6) return std::nullopt;
    micros = micros * 10 + (text.front() - '0');
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 6; ++digits) micros *= 10;
  return micros;
}

}  // namespace

std::optional<int64_t> time_from_rfc3339(std::string_view text) {
  namespace chrono = std::chrono;
  const auto year = take(text, 4, "-"), month = take(text, 2, "-"), day = take(text, 2, "T");
  const auto hour = take(text, 2, ":"), minute = take(text, 2, ":"), second = take(text, 2, "");
  const auto fraction = take_fraction(text);
  if (!year || !month || !day || !hour || !minute || !second || !fraction || text != "Z") {
    return std::nullopt;
  }
  const chrono::year_month_day date(chrono::year(static_cast<int>(*year)), chrono::month(*month),
                                    chrono::day(*day));
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto whole = chrono::sys_days(date).time_since_epoch() + chrono::hours(*hour) +
                     chrono::minutes(*minute) + chrono::seconds(*second);
  return chrono::duration_cast<chrono::microseconds>(whole).count() + *fraction;
}

}  // namespace serin::ctl
