#include "agent/request/metric_batch.h"

#include <algorithm>
#include <utility>

namespace serin::agent {
namespace {

RequestLane::Setting setting_of(const ServiceFile::Requests& requests) {
  return {.counts_requests = !requests.requests.empty(),
          .has_durations = !requests.latency.empty(),
          .slo_seconds = requests.slo_seconds};
}

}  // namespace

MetricBatch::MetricBatch(const ServiceFile& service, size_t index)
    : classes_(ClassRules::of_labels(service)),
      all_(setting_of(service.requests.at(index))),
      lanes_(classes_.size(), RequestLane(setting_of(service.requests.at(index)))),
      levels_(service.business.size()) {}

void MetricBatch::add_requests(uint32_t span, double count, size_t class_index) {
  all_.add_requests(span, count);
  if (!lanes_.empty()) lanes_[class_index].add_requests(span, count);
}

void MetricBatch::add_errors(uint32_t span, double count, size_t class_index) {
  all_.add_errors(span, count);
  if (!lanes_.empty()) lanes_[class_index].add_errors(span, count);
}

void MetricBatch::add_status(uint32_t span, std::string_view status, double count,
                             size_t class_index) {
  all_.add_status(span, status, count);
  if (!lanes_.empty()) lanes_[class_index].add_status(span, status, count);
}

void MetricBatch::add_latency(uint32_t span, double seconds, double count, size_t class_index) {
  all_.add_latency(span, seconds, count);
  if (!lanes_.empty()) lanes_[class_index].add_latency(span, seconds, count);
}

void MetricBatch::add_business(uint32_t span, size_t counter, double amount) {
  auto same = std::ranges::find(business_, span, &Business::span);
  if (same == business_.end())
    same = business_.insert(business_.end(),
                            {.span = span, .amounts = std::vector<double>(levels_.size())});
  same->amounts[counter] += amount;
}

void MetricBatch::flush(uint32_t now, Tallies& tallies) {
  auto flushed = all_.flush(now);
  for (const auto& [span, sum] : flushed) {
    Tally& tally = tallies.of(span);
    add(tally.requests, sum);
    tally.failed += sum.errors;
    tally.answered += sum.requests - sum.errors - sum.aborted;
  }
  for (size_t i = 0; i < lanes_.size(); ++i) flush_class(i, now, flushed, tallies);
  for (const auto& part : std::exchange(business_, {})) {
    Tally& tally = tallies.of(part.span);
    for (size_t i = 0; i < part.amounts.size(); ++i) tally.business[i] += part.amounts[i];
  }
  auto& levels = tallies.of(now).levels;
  for (size_t i = 0; i < levels_.size(); ++i)
    if (levels_[i]) levels.emplace_back(i, *levels_[i]);
}

/// A class that its metrics tell of sooner than all of them together do, as some lack the label,
/// has no more than what is `left` of the whole.
void MetricBatch::flush_class(size_t index, uint32_t now, std::vector<RequestLane::Flushed>& left,
                              Tallies& tallies) {
  for (const auto& [span, sum] : lanes_[index].flush(now)) {
    auto whole = std::ranges::find(left, span, &RequestLane::Flushed::span);
    if (whole == left.end()) continue;
    uint64_t requests = std::min(sum.requests, whole->requests.requests);
    uint64_t errors = std::min({sum.errors, whole->requests.errors, requests});
    whole->requests.requests -= requests;
    whole->requests.errors -= errors;
    if (requests == 0) continue;
    RequestClass& part = class_of(tallies.of(span).requests, classes_.name(index));
    part.requests += requests;
    part.errors += errors;
    if (sum.latency.total() <= requests) part.latency.merge(sum.latency);
  }
}

}  // namespace serin::agent
