#include "agent/recorder/growth.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "common/error.h"

namespace serin::agent {
namespace {

constexpr size_t kBuckets = RecorderHead::kColumns - 1;  // the last column has no duration
/// In one reading, of one cell: far above what a host can do, and of all the 23,840 cells that
/// there can be together still below the most that a histogram takes.
constexpr uint64_t kMostGrowth = uint64_t{1} << 33;

static_assert(SERIN_RECORDER_SCALE == ExpHistogram::kScale &&
              SERIN_RECORDER_FIRST_BUCKET == ExpHistogram::kMinIndex &&
              SERIN_RECORDER_LAST_BUCKET == ExpHistogram::kMaxIndex);

using Growth = std::vector<uint64_t>;

Result<Growth> growth_of(std::span<const uint64_t> before, std::span<const uint64_t> now) {
  SERIN_VERIFY(before.size() == now.size());
  Growth growth(now.size());
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i] < before[i]) return fail("a counter went back, which no recorder does");
    growth[i] = now[i] - before[i];
    if (growth[i] > kMostGrowth) return fail("a counter jumped beyond what any host answers");
  }
  return growth;
}

uint64_t sum(std::span<const uint64_t> cells) {
  return std::accumulate(cells.begin(), cells.end(), uint64_t{0});
}

std::span<const uint64_t> requests_of(const RecorderHead& head, std::span<const uint64_t> cells,
                                      size_t class_index, size_t outcome) {
  return cells.subspan(head.request_cell(class_index, outcome), RecorderHead::kColumns);
}

void count_outcome(Tally& tally, size_t outcome, uint64_t count) {
  RequestMetrics& requests = tally.requests;
  requests.requests += count;
  if (outcome != SERIN_ABORTED) tally.answered += count;
  switch (outcome) {
    case SERIN_SERVER_ERROR:
      requests.errors += count;
      tally.failed += count;
      break;
    case SERIN_CLIENT_ERROR:
      requests.client += count;
      break;
    case SERIN_ABORTED:
      requests.aborted += count;
      break;
    case SERIN_LIMITED:
      requests.limited += count;
      break;
    default:
      break;
  }
}

ExpHistogram histogram_of(std::span<const uint64_t, kBuckets> latency) {
  auto histogram = ExpHistogram::from_parts(ExpHistogram::kScale, ExpHistogram::kMinIndex, latency);
  SERIN_VERIFY(histogram.has_value());  // by kMostGrowth
  return std::move(*histogram);
}

/// What one of the application's classes holds, as a part of the whole.
RequestMetrics count_requests_of(const RecorderHead& head, const Growth& growth, size_t class_index,
                                 Tally& tally) {
  std::array<uint64_t, kBuckets> latency{};
  RequestMetrics part;
  for (size_t outcome = 0; outcome < RecorderHead::kOutcomes; ++outcome) {
    auto cells = requests_of(head, growth, class_index, outcome);
    uint64_t count = sum(cells);
    count_outcome(tally, outcome, count);
    part.requests += count;
    if (outcome == SERIN_SERVER_ERROR) part.errors += count;
    for (size_t i = 0; i < kBuckets; ++i) latency[i] += cells[i];
  }
  part.latency = histogram_of(latency);
  return part;
}

void count_requests(const RecorderHead& head, const Growth& growth, const RecorderRules& rules,
                    Tally& tally) {
  ExpHistogram latency;
  for (size_t c = 0; c < head.classes; ++c) {
    RequestMetrics counted = count_requests_of(head, growth, c, tally);
    latency.merge(counted.latency);
    if (rules.classes.empty() || counted.requests == 0) continue;
    size_t index = rules.classes.find_by_label([&](std::string_view label) {
      return label == "class" ? std::string_view(head.class_names[c]) : std::string_view{};
    });
    RequestClass& part = class_of(tally.requests, rules.classes.name(index));
    part.requests += counted.requests;
    part.errors += counted.errors;
    part.latency.merge(counted.latency);
  }
  if (rules.slo_seconds)
    tally.requests.slow_slo += latency.above(ExpHistogram::index_of(*rules.slo_seconds));
  tally.requests.latency.merge(latency);
}

uint64_t matching(const MetricSelector& selector, const RecorderHead& head, const Growth& growth) {
  constexpr std::array<std::string_view, RecorderHead::kOutcomes> kOutcomes = {
      "ok", "server_error", "client_error", "aborted", "limited"};
  uint64_t count = 0;
  for (size_t c = 0; c < head.classes; ++c)
    for (size_t outcome = 0; outcome < kOutcomes.size(); ++outcome) {
      auto label_of = [&](std::string_view label) -> std::string_view {
        if (label == "class") return head.class_names[c];
        return label == "outcome" ? kOutcomes[outcome] : std::string_view{};
      };
      if (selector.matches("requests", label_of))
        count += sum(requests_of(head, growth, c, outcome));
    }
  for (size_t i = 0; i < head.counters; ++i)
    if (selector.matches(head.counter_names[i], [](auto) { return std::string_view{}; }))
      count += growth[head.counter_cell(i)];
  return count;
}

}  // namespace

RecorderRules RecorderRules::of(const ServiceFile& service, size_t index) {
  RecorderRules rules;
  rules.slo_seconds = service.requests.at(index).slo_seconds;
  rules.classes = ClassRules::of_labels(service);
  for (size_t i = 0; i < service.business.size(); ++i)
    if (!service.business[i].metric.empty())
      rules.business.push_back({.place = i, .metric = service.business[i].metric});
  return rules;
}

Result<uint64_t> add_growth(const RecorderHead& head, std::span<const uint64_t> before,
                            std::span<const uint64_t> now, const RecorderRules& rules,
                            Tally& tally) {
  auto growth = growth_of(before, now);
  if (!growth) return std::unexpected(growth.error());
  count_requests(head, *growth, rules, tally);
  for (const auto& rule : rules.business)
    for (const auto& selector : rule.metric)
      tally.business.at(rule.place) += static_cast<double>(matching(selector, head, *growth));
  return (*growth)[head.misuse_cell()];
}

uint64_t requests_in(const RecorderHead& head, std::span<const uint64_t> sums) {
  return sum(sums.first(head.counter_cell(0)));
}

}  // namespace serin::agent
