#include "agent/request/tally.h"

#include <algorithm>

namespace serin::agent {

Tally& Tallies::of(uint32_t span) {
  for (auto& tally : tallies_)
    if (tally.span == span) return tally;
  tallies_.push_back({.span = span,
                      .requests = {},
                      .business = std::vector<double>(business_counters_),
                      .levels = {}});
  return tallies_.back();
}

Tally Tallies::take(uint32_t span) {
  Tally taken = std::move(of(span));
  std::erase_if(tallies_, [&](const Tally& tally) { return tally.span == span; });
  return taken;
}

std::vector<Tally> Tallies::take_before(uint32_t span) {
  std::vector<Tally> taken;
  for (auto& tally : tallies_)
    if (tally.span < span && !tally.empty()) taken.push_back(std::move(tally));
  std::erase_if(tallies_, [&](const Tally& tally) { return tally.span < span; });
  std::ranges::sort(taken, {}, &Tally::span);
  return taken;
}

namespace {

void add(RequestClass& sum, const RequestClass& other) {
  sum.requests += other.requests;
  sum.errors += other.errors;
  sum.latency.merge(other.latency);
}

}  // namespace

RequestClass& class_of(RequestMetrics& whole, std::string_view name) {
  auto at = std::ranges::lower_bound(whole.classes, name, {}, &RequestClass::name);
  if (at == whole.classes.end() || at->name != name)
    at = whole.classes.insert(at, {.name = std::string(name), .latency = {}});
  return *at;
}

void add(RequestMetrics& sum, const RequestMetrics& other) {
  sum.requests += other.requests;
  sum.errors += other.errors;
  sum.aborted += other.aborted;
  sum.limited += other.limited;
  sum.client += other.client;
  sum.slow_slo += other.slow_slo;
  sum.latency.merge(other.latency);
  for (const RequestClass& part : other.classes) add(class_of(sum, part.name), part);
}

void add(Tally& sum, const Tally& other) {
  add(sum.requests, other.requests);
  sum.business.resize(std::max(sum.business.size(), other.business.size()));
  for (size_t i = 0; i < other.business.size(); ++i) sum.business[i] += other.business[i];
  sum.answered += other.answered;
  sum.failed += other.failed;
  sum.sized += other.sized;
  sum.body_bytes += other.body_bytes;
  sum.full_answers += other.full_answers;
}

void count_status(Tally& tally, uint16_t status, uint64_t count) {
  RequestMetrics& sum = tally.requests;
  sum.requests += count;
  if (status >= 500 || status == 0) {
    sum.errors += count;
    tally.failed += count;
  } else if (status == 499) {
    sum.aborted += count;
  } else if (status == 429) {
    sum.limited += count;
  } else if (status >= 400) {
    sum.client += count;
  }
}

}  // namespace serin::agent
