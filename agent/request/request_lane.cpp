#include "agent/request/request_lane.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/request/log_values.h"

namespace serin::agent {
namespace {

constexpr double kMostAtOnce = 1e9;  // requests of an interval; a writer's nonsense is no more
constexpr double kAlmost = 1e-6;     // ten times a tenth is one

/// `503`, or `5xx` as a class.
std::optional<uint16_t> status_of(std::string_view text) {
  if (text.size() == 3 && text.ends_with("xx") && text[0] >= '1' && text[0] <= '5')
    return static_cast<uint16_t>((text[0] - '0') * 100);
  return parse_status(text);
}

}  // namespace

void RequestLane::add_status(uint32_t span, std::string_view status, double count) {
  Part& part = of(span);
  part.requests += count;
  auto known = status_of(status);
  if (!known) return;
  if (*known >= 500 || *known == 0) {
    part.errors += count;
  } else if (*known == 499) {
    part.aborted += count;
  } else if (*known == 429) {
    part.limited += count;
  } else if (*known >= 400) {
    part.client += count;
  }
}

void RequestLane::add_latency(uint32_t span, double seconds, double count) {
  Part& part = of(span);
  if (!setting_.counts_requests) part.requests += count;
  uint64_t whole = durations_.take(count);
  part.latency.record(seconds, whole);
  if (setting_.slo_seconds && seconds > *setting_.slo_seconds) part.slow += whole;
}

RequestLane::Part& RequestLane::of(uint32_t span) {
  auto same = std::ranges::find(parts_, span, &Part::span);
  if (same != parts_.end()) return *same;
  parts_.push_back({.span = span, .latency = {}});
  return parts_.back();
}

uint64_t RequestLane::Whole::take(double amount) {
  rest += std::min(amount, kMostAtOnce);
  double whole = std::floor(rest + kAlmost);
  rest -= whole;
  return static_cast<uint64_t>(std::max(whole, 0.0));
}

std::vector<RequestLane::Flushed> RequestLane::flush(uint32_t now) {
  if (waiting_ > 0) of(waiting_span_).waited = std::exchange(waiting_, 0);
  std::vector<Flushed> flushed;
  for (const auto& part : parts_)
    flushed.push_back({.span = part.span, .requests = settled(part, now)});
  parts_.clear();
  owed_flushes_ = owed_ == 0 ? 0 : owed_flushes_ + 1;
  if (owed_flushes_ > kMostOwedFlushes) owed_ = 0;
  return flushed;
}

/// How many of `own` requests are handed on, where `due` of them must not wait any longer and
/// `shown` are known by their parts.
uint64_t RequestLane::settle(uint64_t own, uint64_t due, uint64_t shown) {
  uint64_t paid = std::min(own, owed_);
  own -= paid;
  owed_ -= paid;
  uint64_t given = std::max(shown, std::min(due, own));
  if (own > given) {
    waiting_ = own - given;
  } else {
    owed_ += given - own;
  }
  return given;
}

RequestMetrics RequestLane::settled(const Part& part, uint32_t now) {
  RequestMetrics sum{.requests = requests_.take(part.requests),
                     .errors = errors_.take(part.errors),
                     .aborted = aborted_.take(part.aborted),
                     .limited = limited_.take(part.limited),
                     .client = client_.take(part.client),
                     .slow_slo = part.slow,
                     .latency = part.latency,
                     .classes = {}};
  uint64_t shown =
      std::max(sum.errors + sum.aborted + sum.limited + sum.client, sum.latency.total());
  bool may_wait = setting_.counts_requests && setting_.has_durations && part.span == now;
  uint64_t due = part.waited + (may_wait ? 0 : sum.requests);
  sum.requests = settle(part.waited + sum.requests, due, shown);
  if (waiting_ > 0 && may_wait) waiting_span_ = now;
  return sum;
}

}  // namespace serin::agent
