#include "aggregator/core/past.h"

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/latency_family.h"
#include "aggregator/core/state.h"

namespace serin::core {
namespace {

using Worse = judge::BusinessCounter::Worse;
constexpr double kSlowFrom = 0.9;  ///< quantile of the past that fleet-wide slowness is told by

Worse worse_of(Policy::Hurts hurts) {
  switch (hurts) {
    case Policy::Hurts::higher:
      return Worse::higher;
    case Policy::Hurts::both:
      return Worse::both;
    case Policy::Hurts::lower:
    case Policy::Hurts::ignore:
      break;
  }
  return Worse::lower;
}

/// What is to be judged of the business, by name. A counter that the policy does not mention is
/// taken for one of which less hurts: a capture does not tell, and orders that do not come are what
/// people lose sleep over.
std::vector<judge::BusinessCounter> business_of(const CounterBook& counters, const Policy& policy) {
  std::vector<judge::BusinessCounter> out;
  for (const std::string& name : counters.names()) {
    const auto asked = policy.business.find(name);
    const auto hurts = asked == policy.business.end() ? Policy::Hurts::lower : asked->second;
    if (hurts != Policy::Hurts::ignore) out.push_back({.name = name, .worse = worse_of(hurts)});
  }
  std::ranges::sort(out, {}, &judge::BusinessCounter::name);
  return out;
}

}  // namespace

judge::Options judge_options(const Policy& policy, const CounterBook& counters, double inflation) {
  judge::Options options;
  options.inflation = policy.guarantee == Policy::Guarantee::proven ? 1 : inflation;
  options.false_rollback_probability = policy.false_rollback_probability;
  options.errors_relative = policy.margins.errors_relative;
  options.errors_absolute = policy.margins.errors_absolute;
  options.latency_p50 = policy.margins.latency_p50;
  options.latency_p90 = policy.margins.latency_p90;
  options.latency_p99 = policy.margins.latency_p99;
  options.latency_slo_seconds = policy.slo_latency_seconds;
  options.cpu_per_request = policy.margins.cpu_per_request;
  options.memory_growth = policy.margins.memory;
  options.connections = policy.margins.connections;
  options.restarts = true;
  options.business = business_of(counters, policy);
  options.window_seconds = policy.watch_window_seconds;
  options.must_see_errors = policy.must_see_errors;
  options.must_see_latency_ratio = policy.must_see_latency;
  return options;
}

judge::HostHistory::Block as_judged(const History::Block& block, int32_t index,
                                    const CounterBook& counters, BusinessEntries& entries) {
  auto& business = entries.emplace_back();
  for (size_t i = 0; i < block.business.size(); ++i) {
    if (std::isfinite(block.business[i])) {
      business.emplace_back(counters.names()[i], block.business[i]);
    }
  }
  return {.index = index,
          .requests = block.requests,
          .errors = block.errors,
          .latency = block.latency.empty() ? nullptr : &block.latency,
          .cpu_seconds = block.cpu_seconds,
          .rss_bytes = block.rss_bytes,
          .fds = block.fds,
          .threads = block.threads,
          .connections = block.connections,
          .failed_connects = block.failed_connects,
          .accept_overflows = block.accept_overflows,
          .unexpected_ends = block.unexpected_ends,
          .business = business};
}

/// The judge of a deploy, with what its hosts and the others did on the old version.
void Fold::State::make_battery(Service& service, Deploy& deploy) {
  std::vector<judge::HostHistory> past;
  BusinessEntries entries;
  const int64_t before = deploy.first_second * kSecondUs / History::kBlockUs;
  uint64_t requests = 0, errors = 0;
  for (const auto& track : service.tracks) {
    judge::HostHistory host{
        .host = track->index, .canary = deploy.find(track->index) != nullptr, .blocks = {}};
    for (const auto& block : track->history.blocks()) {
      if (block.index >= before || std::ranges::find(deploy.baseline_versions, block.version) ==
                                       deploy.baseline_versions.end()) {
        continue;
      }
      host.blocks.push_back(
          as_judged(block, static_cast<int32_t>(block.index - before), service.counters, entries));
      requests += block.requests;
      errors += block.errors;
    }
    if (!host.blocks.empty()) past.push_back(std::move(host));
  }
  deploy.history_error_rate =
      requests == 0 ? 0 : (static_cast<double>(errors) + 0.5) / (static_cast<double>(requests) + 1);
  const ExpHistogram latency = judge::usual_latency(past);
  deploy.history_slow_bucket = latency.empty() ? ExpHistogram::kMaxIndex
                                               : ExpHistogram::index_of(latency.quantile(kSlowFrom));
  const Policy& policy = policies.of(service.name);
  judge::Options options = judge_options(policy, service.counters, inflation);
  options.false_rollback_probability *= deploy.alpha_share;
  options.step_seconds = deploy.step_seconds;
  options.trust = service.placebos.book.trust();
  options.warmup = service.warmup;
  deploy.warmup_restarts = service.warmup ? service.warmup->restarts : 0;
  deploy.battery.emplace(options, std::move(past));
  for (const auto& canary : deploy.canaries) {
    if (canary.left || canary.drifted) continue;
    deploy.battery->join(canary.host,
                         static_cast<double>(canary.joined_us / kSecondUs - deploy.first_second));
  }
}

}  // namespace serin::core
