#include "ctl/show/words.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace serin::ctl {
namespace {

namespace chrono = std::chrono;

constexpr int64_t kSecondUs = 1'000'000;
constexpr double kTenthUs = 100'000;

}  // namespace

std::string utc(int64_t time_us) {
  if (time_us == 0) return "never";
  const chrono::sys_time<chrono::seconds> second(
      chrono::floor<chrono::seconds>(chrono::microseconds(time_us)));
  const auto day = chrono::floor<chrono::days>(second);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(second - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string utc_clock(int64_t time_us) {
  const int64_t milliseconds = (time_us % (86'400 * kSecondUs)) / 1000;
  const int64_t second = milliseconds / 1000;
  return fmt::format("{:02}:{:02}:{:02}.{:03}", second / 3600, second / 60 % 60, second % 60,
                     milliseconds % 1000);
}

std::string seconds_between(int64_t from_us, int64_t to_us) {
  const double tenths = std::round(static_cast<double>(to_us - from_us) / kTenthUs);
  return fmt::format("{:+.1f} s", tenths / 10 + 0.0);  // 0.0 takes the sign off a zero
}

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string_view state_words(core::DeployState state) {
  using enum core::DeployState;
  switch (state) {
    case watching:
      return "being watched";
    case rolling_back:
      return "being rolled back";
    case rolled_back:
      return "rolled back; whether that helped is being watched";
    case recovered:
      return "rolled back, and the trouble is gone";
    case not_the_cause:
      return "rolled back, but the trouble stayed: this release was not its cause";
    case passed:
      return "passed";
    case inconclusive:
      return "ended without a verdict";
    case frozen:
      return "frozen: Serin watches and does not act; people must decide";
    case held:
      return "held by a person: Serin watches and does not act";
    case withdrawn:
      return "taken back by people";
    case superseded:
      return "replaced by another release before it was judged";
    case rollback_failed:
      return "NOT put back: the rollback failed, people are needed";
  }
  return "unknown";
}

std::vector<std::string> canary_names(const core::DeployView& deploy) {
  std::vector<std::string> names;
  names.reserve(deploy.hosts.size());
  for (const auto& host : deploy.hosts) names.push_back(host.host);
  return names;
}

std::string culprit(const core::DeployView& deploy) {
  return deploy.verdict == "rollback" && !deploy.reason.metric.empty() ? deploy.reason.metric : "-";
}

std::string state_name(core::DeployState state) {
  std::string words(core::name(state));
  std::ranges::replace(words, '_', ' ');
  return words;
}

}  // namespace serin::ctl
