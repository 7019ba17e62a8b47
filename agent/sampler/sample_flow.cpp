#include "agent/sampler/sample_flow.h"

#include <algorithm>

#include "agent/request/tally.h"
#include "schema/sample_fields.h"

namespace serin::agent {
namespace {

constexpr int64_t kSecond = 1'000'000;

template <typename T>
void sum_up(std::optional<T>& sum, const std::optional<T>& later) {
  if (sum && later) {
    *sum += *later;
  } else {
    sum.reset();
  }
}

void merge(ProcessMetrics& sum, const ProcessMetrics& later) {
  for (const auto& field : kProcessSeconds) sum_up(sum.*field.value, later.*field.value);
  for (const auto& field : kProcessFields) {
    if (field.measure == Measure::amount) {
      sum_up(sum.*field.value, later.*field.value);
    } else {
      sum.*field.value = later.*field.value;
    }
  }
}

/// A port that only the earlier interval knew has no level any more; its amounts stay in the sums
/// over all ports.
void merge(SocketMetrics& sum, const SocketMetrics& later) {
  SocketMetrics merged = later;
  for (const auto& field : kSocketFields) {
    if (field.measure == Measure::level) continue;
    merged.*field.value = sum.*field.value;
    sum_up(merged.*field.value, later.*field.value);
  }
  for (RemotePort& remote : merged.remotes) {
    const auto before = std::ranges::find(sum.remotes, remote.port, &RemotePort::port);
    if (before == sum.remotes.end()) continue;
    sum_up(remote.retransmits, before->retransmits);
    sum_up(remote.failed_connects, before->failed_connects);
  }
  sum = std::move(merged);
}

/// A counter that one of the two lacks is absent in the sum, as an amount is.
void add_counters(std::vector<NamedValue>& sum, const std::vector<NamedValue>& later) {
  std::erase_if(sum, [&](NamedValue& counter) {
    auto same = std::ranges::find(later, counter.name, &NamedValue::name);
    if (same != later.end()) counter.value += same->value;
    return same == later.end();
  });
}

}  // namespace

void merge(Sample& sum, const Sample& later) {
  sum.interval_us += later.interval_us;
  sum.wall_us = later.wall_us;
  sum.selected = later.selected;
  merge(sum.process, later.process);
  merge(sum.sockets, later.sockets);
  if (!sum.requests) {
    sum.requests = later.requests;
  } else if (later.requests) {
    add(*sum.requests, *later.requests);
  }
  add_counters(sum.counters, later.counters);
  sum.gauges = later.gauges;
  sum.absent = later.absent;
  sum.self = later.self;
}

bool SampleFlow::belongs_together(const Sample& a, const Sample& b) {
  return a.generation == b.generation && a.phase == b.phase && a.version == b.version &&
         a.ambiguous == b.ambiguous;
}

void SampleFlow::add(Sample sample, uint64_t end_boot_us) {
  if (is_fast(end_boot_us)) {
    flush();
    send_(std::move(sample), end_boot_us);
    return;
  }
  if (history_.size() == kHistory) history_.pop_front();
  history_.push_back({sample, end_boot_us});
  if (pending_ && !belongs_together(pending_->sample, sample)) flush();
  int64_t wall_second = (sample.wall_us + kSecond / 2) / kSecond;
  if (pending_) {
    merge(pending_->sample, sample);
    pending_->end_us = end_boot_us;
  } else {
    pending_ = Timed{std::move(sample), end_boot_us};
  }
  if (wall_second % 10 == 0 || pending_->sample.interval_us >= kSlowUs) flush();
}

void SampleFlow::flush() {
  if (!pending_) return;
  Timed out = std::move(*pending_);
  pending_.reset();
  send_(std::move(out.sample), out.end_us);
}

void SampleFlow::attention(uint64_t now_us, uint32_t interval_ms, uint32_t lasting_seconds) {
  // A slower cadence than 10 s does not exist; one between is rounded up to what there is.
  if (uint64_t{interval_ms} * 1000 >= kSlowUs) return;
  until(now_us, now_us + uint64_t{std::min(lasting_seconds, kMostAttentionSeconds)} * kSecond);
}

void SampleFlow::hurry(uint64_t now_us) {
  until(now_us, now_us + kAfterStartUs);
}

void SampleFlow::until(uint64_t now_us, uint64_t fast_until_us) {
  bool was_slow = !is_fast(now_us);
  fast_until_us_ = std::max(fast_until_us_, fast_until_us);
  if (was_slow && is_fast(now_us)) send_history();
}

void SampleFlow::send_history() {
  flush();
  for (auto& [sample, end_us] : history_) {
    sample.history = true;
    send_(std::move(sample), end_us);
  }
  history_.clear();
}

}  // namespace serin::agent
