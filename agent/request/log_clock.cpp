#include <time.h>

#include <array>
#include <charconv>
#include <chrono>

#include "agent/request/log_format.h"

namespace serin::agent {
namespace {

constexpr int64_t kSecond = 1'000'000;

/// `count` digits at `at`, nullopt when they are not all digits.
std::optional<int> digits(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

std::optional<unsigned> month_of(std::string_view name) {
  constexpr std::array<std::string_view, 12> names = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (unsigned i = 0; i < names.size(); ++i)
    if (names[i] == name) return i + 1;
  return std::nullopt;
}

struct Stamp {
  std::optional<int> year, day, hour, minute, second;
  std::optional<unsigned> month;
};

std::optional<int64_t> seconds_of(const Stamp& stamp, int offset_seconds) {
  if (!stamp.year || !stamp.month || !stamp.day || !stamp.hour || !stamp.minute || !stamp.second)
    return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*stamp.year), std::chrono::month(*stamp.month),
                                   std::chrono::day(static_cast<unsigned>(*stamp.day))};
  if (!date.ok() || *stamp.hour > 23 || *stamp.minute > 59 || *stamp.second > 60)
    return std::nullopt;
  int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86'400 + int64_t{*stamp.hour} * 3600 + int64_t{*stamp.minute} * 60 + *stamp.second -
         offset_seconds;
}

/// `+0100`, `+01:00` or `Z`, in seconds east of UTC.
std::optional<int> zone_of(std::string_view text) {
  if (text == "Z") return 0;
  bool colon = text.size() == 6 && text[3] == ':';
  if (text.size() != (colon ? 6U : 5U) || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  auto hours = digits(text, 1, 2);
  auto minutes = digits(text, colon ? 4 : 3, 2);
  if (!hours || !minutes) return std::nullopt;
  int seconds = *hours * 3600 + *minutes * 60;
  return text[0] == '-' ? -seconds : seconds;
}

/// How far the host's zone is ahead of UTC at this local time.
int64_t east_of_utc(int64_t local_seconds) {
  time_t guess = local_seconds;
  tm parts{};
  if (::localtime_r(&guess, &parts) == nullptr) return 0;
  guess = local_seconds - parts.tm_gmtoff;  // again, as a change of clocks may lie between
  if (::localtime_r(&guess, &parts) == nullptr) return 0;
  return parts.tm_gmtoff;
}

}  // namespace

std::optional<int64_t> LogClock::time_local(std::string_view text) {
  if (text == last_text_) return last_us_;
  if (text.size() != 26 || text[2] != '/' || text[6] != '/' || text[11] != ':' || text[14] != ':' ||
      text[17] != ':' || text[20] != ' ')
    return std::nullopt;
  auto zone = zone_of(text.substr(21));
  if (!zone) return std::nullopt;
  Stamp stamp{.year = digits(text, 7, 4),
              .day = digits(text, 0, 2),
              .hour = digits(text, 12, 2),
              .minute = digits(text, 15, 2),
              .second = digits(text, 18, 2),
              .month = month_of(text.substr(3, 3))};
  auto seconds = seconds_of(stamp, *zone);
  if (!seconds) return std::nullopt;
  last_text_ = text;
  last_us_ = *seconds * kSecond;
  return last_us_;
}

std::optional<int64_t> LogClock::haproxy(std::string_view text) {
  if (text.size() != 24 || text[20] != '.') return std::nullopt;
  auto ms = digits(text, 21, 3);
  if (!ms) return std::nullopt;
  std::string_view whole = text.substr(0, 20);
  if (whole != last_local_) {
    auto us = LogClock().time_local(std::string(whole) + " +0000");
    if (!us) return std::nullopt;
    last_local_ = whole;
    last_local_us_ = *us - east_of_utc(*us / kSecond) * kSecond;
  }
  return last_local_us_ + *ms * 1000;
}

std::optional<int64_t> LogClock::iso8601(std::string_view text, bool& coarse) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':')
    return std::nullopt;
  size_t at = 19;
  int64_t fraction_us = 0;
  coarse = text[at] != '.';
  if (!coarse) {
    int64_t unit = kSecond / 10;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
      fraction_us += unit * (text[at] - '0');
  }
  auto zone = zone_of(text.substr(at));
  auto month = digits(text, 5, 2);
  if (!zone || !month) return std::nullopt;
  Stamp stamp{.year = digits(text, 0, 4),
              .day = digits(text, 8, 2),
              .hour = digits(text, 11, 2),
              .minute = digits(text, 14, 2),
              .second = digits(text, 17, 2),
              .month = static_cast<unsigned>(*month)};
  auto seconds = seconds_of(stamp, *zone);
  if (!seconds) return std::nullopt;
  return *seconds * kSecond + fraction_us;
}

std::optional<int64_t> LogClock::msec(std::string_view text) {
  size_t dot = text.find('.');
  std::string_view whole = text.substr(0, dot);
  if (whole.empty() || whole.size() > 11) return std::nullopt;  // seconds up to the year 5138
  int64_t seconds = 0;
  auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), seconds);
  if (error != std::errc{} || end != whole.data() + whole.size() || seconds < 0)
    return std::nullopt;
  int64_t us = seconds * kSecond;
  if (dot == std::string_view::npos) return us;
  int64_t unit = kSecond / 10;
  for (char c : text.substr(dot + 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    us += unit * (c - '0');
    unit /= 10;
  }
  return us;
}

}  // namespace serin::agent
