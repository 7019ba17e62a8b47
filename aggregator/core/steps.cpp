#include "aggregator/core/steps.h"

#include <algorithm>

namespace serin::core {
namespace {

constexpr size_t kClosedKept = 20;  ///< a deploy that switches to 10 s steps looks back this far

}  // namespace

void add_up(std::optional<double>& sum, std::optional<double> value) {
  if (value) sum = sum.value_or(0) + *value;
}

std::optional<double> as_double(std::optional<uint64_t> value) {
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

std::optional<double> connections_of(const SocketMetrics& sockets) {
  if (!sockets.outbound) return std::nullopt;
  return static_cast<double>(*sockets.outbound) +
         static_cast<double>(sockets.close_wait.value_or(0));
}

void add_counters(std::vector<NamedValue>& into, const std::vector<NamedValue>& counters) {
  for (const auto& counter : counters) {
    auto same = std::ranges::find(into, counter.name, &NamedValue::name);
    if (same == into.end()) {
      into.push_back(counter);
    } else {
      same->value += counter.value;
    }
  }
}

int64_t step_of(int64_t end_us, uint32_t interval_us) {
  const int64_t middle = end_us - static_cast<int64_t>(interval_us) / 2;
  return middle >= 0 ? middle / 1'000'000 : (middle - 999'999) / 1'000'000;
}

bool StepTable::add(const Sample& sample, uint32_t host, int64_t end_us, double age_seconds,
                    bool judged) {
  const int64_t second = step_of(end_us, sample.interval_us);
  if (second <= closed_) return false;
  auto& cells = seconds_[second];
  auto cell = std::ranges::find_if(
      cells, [&](const Cell& c) { return c.host == host && c.version == sample.version; });
  if (cell == cells.end()) {
    Cell fresh;
    fresh.host = host;
    fresh.version = sample.version;
    fresh.age_seconds = age_seconds;
    fresh.judged = judged;
    cells.push_back(std::move(fresh));
    cell = cells.end() - 1;
  }
  cell->age_seconds = std::min(cell->age_seconds, age_seconds);
  cell->judged = cell->judged && judged;
  cell->interval_us = std::max(cell->interval_us, sample.interval_us);
  if (sample.requests) {
    cell->requests += sample.requests->requests;
    cell->errors += sample.requests->errors;
    cell->latency.merge(sample.requests->latency);
  }
  add_up(cell->cpu_seconds, sample.process.cpu_seconds);
  cell->rss_bytes = as_double(sample.process.rss_bytes);
  cell->fds = as_double(sample.process.fds);
  cell->threads = as_double(sample.process.threads);
  cell->connections = connections_of(sample.sockets);
  add_up(cell->failed_connects, as_double(sample.sockets.failed_connects));
  add_up(cell->accept_overflows, as_double(sample.sockets.accept_overflows));
  add_counters(cell->business, sample.counters);
  while (seconds_.rbegin()->first - seconds_.begin()->first > kKeptSeconds) {
    closed_ = std::max(closed_, seconds_.begin()->first);
    seconds_.erase(seconds_.begin());
  }
  return true;
}

const std::vector<Cell>* StepTable::at(int64_t second) const {
  auto it = seconds_.find(second);
  return it == seconds_.end() ? nullptr : &it->second;
}

void StepTable::close(int64_t second) {
  closed_ = std::max(closed_, second);
  auto last_kept = seconds_.lower_bound(closed_ - static_cast<int64_t>(kClosedKept));
  seconds_.erase(seconds_.begin(), last_kept);
}

}  // namespace serin::core
