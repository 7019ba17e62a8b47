#include "agent/request/metric_batch.h"

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

MetricBatch::MetricBatch(const ServiceFile& service, size_t index)
    : counts_requests_(!service.requests.at(index).requests.empty()),
      has_durations_(!service.requests.at(index).latency.empty()),
      slo_seconds_(service.requests.at(index).slo_seconds),
      levels_(service.business.size()) {}

void MetricBatch::add_status(uint32_t span, std::string_view status, double count) {
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

void MetricBatch::add_latency(uint32_t span, double seconds, double count) {
  Part& part = of(span);
  if (!counts_requests_) part.requests += count;
  uint64_t whole = durations_.take(count);
  part.latency.record(seconds, whole);
  if (slo_seconds_ && seconds > *slo_seconds_) part.slow += whole;
}

void MetricBatch::add_business(uint32_t span, size_t counter, double amount) {
  Part& part = of(span);
  part.business.resize(levels_.size());
  part.business[counter] += amount;
}

MetricBatch::Part& MetricBatch::of(uint32_t span) {
  auto same = std::ranges::find(parts_, span, &Part::span);
  if (same != parts_.end()) return *same;
  parts_.push_back({.span = span, .latency = {}, .business = {}});
  return parts_.back();
}

uint64_t MetricBatch::Whole::take(double amount) {
  rest += std::min(amount, kMostAtOnce);
  double whole = std::floor(rest + kAlmost);
  rest -= whole;
  return static_cast<uint64_t>(std::max(whole, 0.0));
}

void MetricBatch::flush(uint32_t now, Tallies& tallies) {
  if (waiting_ > 0) of(waiting_span_).waited = std::exchange(waiting_, 0);
  for (const auto& part : parts_) hand_over(part, now, tallies.of(part.span));
  parts_.clear();
  auto& levels = tallies.of(now).levels;
  for (size_t i = 0; i < levels_.size(); ++i)
    if (levels_[i]) levels.emplace_back(i, *levels_[i]);
  owed_flushes_ = owed_ == 0 ? 0 : owed_flushes_ + 1;
  if (owed_flushes_ > kMostOwedFlushes) owed_ = 0;
}

/// How many of `own` requests are handed on, where `due` of them must not wait any longer and
/// `shown` are known by their parts.
uint64_t MetricBatch::settle(uint64_t own, uint64_t due, uint64_t shown) {
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

void MetricBatch::hand_over(const Part& part, uint32_t now, Tally& tally) {
  RequestMetrics sum{.requests = requests_.take(part.requests),
                     .errors = errors_.take(part.errors),
                     .aborted = aborted_.take(part.aborted),
                     .limited = limited_.take(part.limited),
                     .client = client_.take(part.client),
                     .slow_slo = part.slow,
                     .latency = part.latency};
  uint64_t shown =
      std::max(sum.errors + sum.aborted + sum.limited + sum.client, sum.latency.total());
  bool may_wait = counts_requests_ && has_durations_ && part.span == now;
  uint64_t due = part.waited + (may_wait ? 0 : sum.requests);
  sum.requests = settle(part.waited + sum.requests, due, shown);
  if (waiting_ > 0 && may_wait) waiting_span_ = now;
  add(tally.requests, sum);
  tally.failed += sum.errors;
  tally.answered += sum.requests - sum.errors - sum.aborted;
  for (size_t i = 0; i < part.business.size(); ++i) tally.business[i] += part.business[i];
}

}  // namespace serin::agent
