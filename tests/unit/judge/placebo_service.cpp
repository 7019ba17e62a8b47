#include "tests/unit/judge/placebo_service.h"

#include <algorithm>
#include <ctime>
#include <numeric>

namespace serin::judge::test {
namespace {

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

PlaceboService::PlaceboService(PlaceboWorld world, uint64_t seed, Options o)
    : options(std::move(o)), world_(std::move(world)), rng_(seed), past_(world_.hosts) {
  if (world_.orders) options.business = {{.name = "orders"}};
}

std::vector<HostStep> PlaceboService::next() {
  std::vector<HostStep> out;
  for (uint32_t h = 0; h < world_.hosts; ++h) {
    if (past_[h].size() > kPast) past_[h].pop_front();
    Block& b = past_[h].emplace_back();
    b.requests = poisson(rng_, world_.rate * kStep);
    b.errors = binomial(rng_, b.requests, world_.errors(h, step_));
    HostStep step{.host = h, .age_seconds = 1e6, .requests = b.requests, .errors = b.errors};
    if (world_.latency) {
      std::normal_distribution<double> z;
      for (uint64_t i = 0; i < b.requests; ++i) b.latency.record(.05 * std::exp(.5 * z(rng_)));
      step.latency = &b.latency;
    }
    if (world_.gauges) {
      step.cpu_seconds = b.cpu =
          .004 * static_cast<double>(b.requests) * std::exp(.03 * normal(rng_));
      step.rss_bytes = b.rss = 2e8 + 1e5 * normal(rng_);
      step.fds = b.fds = 50 + static_cast<double>(poisson(rng_, 4));
      step.threads = b.threads = 12;
    }
    if (world_.orders) {
      b.business = {{"orders", static_cast<double>(binomial(rng_, b.requests, .2))}};
      step.business = b.business;
    }
    out.push_back(step);
  }
  ++step_;
  return out;
}

std::vector<HostHistory> PlaceboService::history() const {
  std::vector<HostHistory> out;
  for (uint32_t h = 0; h < world_.hosts; ++h) {
    HostHistory& host = out.emplace_back(HostHistory{.host = h});
    auto index = static_cast<int32_t>(step_ - static_cast<int64_t>(past_[h].size()));
    for (const Block& b : past_[h]) {
      HostHistory::Block& block = host.blocks.emplace_back();
      block = {
          .index = index++, .requests = b.requests, .errors = b.errors, .business = b.business};
      if (world_.latency) block.latency = &b.latency;
      if (!world_.gauges) continue;
      block.cpu_seconds = b.cpu;
      block.rss_bytes = b.rss;
      block.fds = b.fds;
      block.threads = b.threads;
    }
  }
  return out;
}

void PlaceboService::learn(int64_t steps) {
  for (int64_t i = 0; i < steps; ++i) next();
}

void PlaceboService::start_round() {
  std::vector<uint32_t> turn(std::min<size_t>(world_.hosts, PlaceboRound::kMostRuns));
  std::iota(turn.begin(), turn.end(), 0);
  const double before = cpu_seconds();
  options.trust = book.trust();
  rounds_.push_back({now(), PlaceboRound(options, history(), std::move(turn))});
  cpu_starts += cpu_seconds() - before;
}

void PlaceboService::run(int64_t steps) {
  if (first_round_ < 0) first_round_ = step_;
  for (int64_t i = 0; i < steps; ++i) {
    const auto per_watch = static_cast<int64_t>(options.window_seconds) / kStep;
    if ((step_ - first_round_) % per_watch == 0) start_round();
    const auto hosts = next();
    const double before = cpu_seconds();
    for (Round& r : rounds_) {
      r.round.step(hosts);
      for (const PlaceboRun& run : r.round.ended()) book.ended(run, r.began, now());
    }
    for (auto& change : book.settle(now())) changes.push_back(std::move(change));
    std::erase_if(rounds_, [](const Round& r) { return r.round.over(); });
    cpu_steps += cpu_seconds() - before;
  }
}

void PlaceboService::cancel(uint32_t host) {
  for (Round& r : rounds_) r.round.cancel(host);
}

PlaceboRecord PlaceboService::record(const std::string& metric) const {
  for (auto& one : book.records(now())) {
    if (one.metric == metric) return one;
  }
  return {};
}

}  // namespace serin::judge::test
