#include "aggregator/core/judge/spread.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace serin::judge {
namespace {

constexpr int32_t kMaxBlocks = 2160;  // 6 h of 10 s blocks: older than that says little about today
constexpr int32_t kMinHalfBlocks = 6;    // below 60 s a half a variance cannot be told from nothing
constexpr size_t kMinHosts = 4;          // below 4 hosts the prior rules
constexpr int32_t kMinClumpBlocks = 60;  // clumping is fitted from 10 min on
constexpr int32_t kLongBlock = 6;        // 60 s, against which 10 s blocks are compared
constexpr double kMaxClumpMean = 10;  // bad ones a block; above it host noise would pass for clumps
constexpr double kMinClumping = 1.2, kMaxClumping = 20;
// Host noise with a correlation time of 20-30 s keeps about half of its variance in 60 s means.
constexpr double kLongNoiseShare = 0.5;
constexpr double kTiny = 1e-12;
constexpr double kMaxDegrees = 60;
constexpr double kMinS = 0.003, kMaxS = 1.5;

struct Range {
  int32_t low = 0, count = 0;
};

Range block_range(std::span<const HostBlocks> history) {
  int32_t low = std::numeric_limits<int32_t>::max(), high = std::numeric_limits<int32_t>::min();
  for (const auto& h : history) {
    if (h.blocks.empty()) continue;
    low = std::min(low, h.blocks.front().index);
    high = std::max(high, h.blocks.back().index);
  }
  if (low > high) return {};
  const int64_t span = static_cast<int64_t>(high) - low + 1;
  if (span > kMaxBlocks) return {.low = high - kMaxBlocks + 1, .count = kMaxBlocks};
  return {.low = low, .count = static_cast<int32_t>(span)};
}

/// Rate of the reference hosts in each block, and which hosts those are.
struct Fleet {
  Range range;
  Law law = Law::binomial;
  std::vector<const HostBlocks*> hosts{};
  std::vector<double> rate{};
  int32_t filled_first = 0, filled_second = 0;  // blocks with any requests, by half
  double rate_overall = 0;

  template <class F>
  void each(const HostBlocks& h, const F& f) const {
    for (const auto& b : h.blocks) {
      const int64_t i = static_cast<int64_t>(b.index) - range.low;
      if (i >= 0 && i < range.count && b.requests > 0) f(static_cast<int32_t>(i), b);
    }
  }
};

Fleet fleet_of(std::span<const HostBlocks> history, Law law) {
  Fleet fleet{.range = block_range(history), .law = law};
  const auto canaries = static_cast<size_t>(
      std::count_if(history.begin(), history.end(), [](const auto& h) { return h.canary; }));
  const size_t others = history.size() - canaries;
  const bool all =
      others < kMinHosts || others < canaries;  // few left: the canary's own past counts too
  for (const auto& h : history) {
    if (all || !h.canary) fleet.hosts.push_back(&h);
  }
  const auto count = static_cast<size_t>(fleet.range.count);
  std::vector<double> requests(count, 0), bad(count, 0);
  double n = 0, x = 0;
  for (const auto* h : fleet.hosts) {
    fleet.each(*h, [&](int32_t i, const BlockCount& b) {
      requests[static_cast<size_t>(i)] += b.requests;
      bad[static_cast<size_t>(i)] += b.bad;
      n += b.requests;
      x += b.bad;
    });
  }
  const double least = 0.5 / std::max(n, 1.0);  // a fleet without a bad request: half a one
  fleet.rate.resize(count);
  for (size_t i = 0; i < count; ++i) {
    if (requests[i] > 0)
      ++(static_cast<int32_t>(i) < fleet.range.count / 2 ? fleet.filled_first
                                                         : fleet.filled_second);
    const double seen = bad[i] / std::max(requests[i], 1.0);
    fleet.rate[i] = std::max(least, law == Law::binomial ? std::min(1.0, seen) : seen);
  }
  fleet.rate_overall = n > 0 ? x / n : 0;
  return fleet;
}

/// One host against the fleet: what was expected of it and what came, in whole and by half.
struct HostSum {
  double requests = 0, bad = 0, expected = 0, information = 0;
  double residual[2] = {0, 0}, half_information[2] = {0, 0};
};

HostSum sum_of(const Fleet& fleet, const HostBlocks& host) {
  HostSum s;
  fleet.each(host, [&](int32_t i, const BlockCount& b) {
    const double rate = fleet.rate[static_cast<size_t>(i)];
    const double expected = b.requests * rate;
    const double information = fleet.law == Law::binomial ? expected * (1 - rate) : expected;
    const int half = i < fleet.range.count / 2 ? 0 : 1;
    s.requests += b.requests;
    s.bad += b.bad;
    s.expected += expected;
    s.information += information;
    s.residual[half] += b.bad - expected;
    s.half_information[half] += information;
  });
  return s;
}

/// Squares of what came minus what was expected, in blocks of one length: excess = clumping * first
/// + F2 * second.
struct Scatter {
  double squares = 0, first = 0, second = 0, expected = 0;
  int64_t blocks = 0;
};

Scatter scatter_of(const Fleet& fleet, const std::vector<HostSum>& sums, int32_t length) {
  Scatter out;
  for (size_t h = 0; h < fleet.hosts.size(); ++h) {
    // A host's own level against the fleet: short-term noise is what is left after it.
    const double own = std::max(sums[h].bad, 0.5) / std::max(sums[h].expected, 0.5);
    int32_t group = -1;
    double bad = 0, mu = 0, muq = 0;
    const auto flush = [&] {
      if (group < 0) return;
      out.squares += (bad - mu) * (bad - mu);
      out.first += muq;
      out.second += muq * muq;
      out.expected += mu;
      ++out.blocks;
      bad = mu = muq = 0;
    };
    fleet.each(*fleet.hosts[h], [&](int32_t i, const BlockCount& b) {
      if (i / length != group) flush();
      group = i / length;
      const double share = fleet.rate[static_cast<size_t>(i)] * own;
      bad += b.bad;
      mu += b.requests * share;
      muq += b.requests * share *
             (fleet.law == Law::binomial ? std::clamp(1 - share, 1e-6, 1.0) : 1.0);
    });
    flush();
  }
  const double m = static_cast<double>(fleet.hosts.size());
  const double long_blocks =
      std::max(2.0, std::ceil(fleet.range.count / static_cast<double>(length)));
  if (m > 1) out.squares *= m / (m - 1) * long_blocks / (long_blocks - 1);
  return out;
}

/// Variance over mean of bad requests that come in clumps. Host noise grows with the square of the
/// mean, clumping with the mean, so that blocks of 10 s and of 60 s tell one from the other.
double clumping_of(const Fleet& fleet, const std::vector<HostSum>& sums, const Scatter& brief) {
  if (fleet.range.count < kMinClumpBlocks || brief.blocks == 0 || brief.first <= 0) return 1;
  if (brief.expected / static_cast<double>(brief.blocks) > kMaxClumpMean) return 1;
  const Scatter wide = scatter_of(fleet, sums, kLongBlock);
  const double noise_gain = kLongNoiseShare * wide.second - brief.second;
  double noise = 0;
  if (noise_gain > 0) {
    noise = std::max(0.0, (wide.squares - brief.squares * wide.first / brief.first) / noise_gain);
  }
  const double phi = (brief.squares - noise * brief.second) / brief.first;
  return phi > kMinClumping ? std::min(phi, kMaxClumping) : 1;
}

double log_odds(double p) {
  p = std::clamp(p, 1e-12, 1 - 1e-12);
  return std::log(p) - std::log1p(-p);
}

/// Moments over hosts: between-host variance of a half window, and the part of it that stays.
struct Between {
  double total = 0, persistent = 0, mean_information = 0;
};

Between between(const std::vector<HostSum>& sums, double clumping) {
  const double m = static_cast<double>(sums.size());
  const double bessel = m / (m - 1);
  Between out;
  for (int half = 0; half < 2; ++half) {
    double excess = 0, square = 0;
    for (const auto& s : sums) {
      const double v = s.half_information[half];
      excess += s.residual[half] * s.residual[half] * bessel - clumping * v;
      square += v * v;
      out.mean_information += 0.5 * v / m;
    }
    out.total += 0.5 * excess / std::max(square, kTiny);
  }
  double common = 0, square = 0;
  for (const auto& s : sums) {
    common += s.residual[0] * s.residual[1] * bessel;
    square += s.half_information[0] * s.half_information[1];
  }
  out.persistent = common / std::max(square, kTiny);
  return out;
}

}  // namespace

double shrink_variance(double estimate, double standard_error, double prior, double prior_sd) {
  // Precisions, not errors: an infinite standard error then simply weighs nothing.
  const double own = 1 / (standard_error * standard_error), given = 1 / (prior_sd * prior_sd);
  const double mean = ((own > 0 ? estimate * own : 0) + prior * given) / (own + given);
  return std::max(mean, 0.0) + 0.5 / std::sqrt(own + given);
}

NullModel widened(NullModel null, double factor) {
  null.s = std::min(null.s * factor, kMaxS);
  null.s_slow *= factor;
  null.s_fast *= factor;
  return null;
}

Spread::Spread(std::span<const HostBlocks> history, const SpreadPrior& prior, double floor, Law law)
    : floor_(floor) {
  // What the prior alone is worth (Satterthwaite: twice the square of a variance over its own
  // variance). Few hosts know less than the prior does; t with m - 1 degrees would throw that away.
  const double variance = prior.slow + prior.fast + 3 * 0.5 * prior.sd + floor * floor;
  prior_degrees_ = std::min(2 * variance * variance / (3 * prior.sd * prior.sd), kMaxDegrees);
  constexpr double kUnknown = std::numeric_limits<double>::infinity();
  const Fleet fleet = fleet_of(history, law);
  std::vector<HostSum> sums;
  for (const auto* h : fleet.hosts) sums.push_back(sum_of(fleet, *h));
  hosts_ = sums.size();
  baseline_hosts_ = static_cast<size_t>(
      std::count_if(history.begin(), history.end(), [](const auto& h) { return !h.canary; }));
  usual_rate_ = fleet.rate_overall;
  assumed_ = hosts_ < kMinHosts || fleet.filled_first < kMinHalfBlocks ||
             fleet.filled_second < kMinHalfBlocks;

  double total = 0, persistent = 0, between_error = kUnknown, fast = 0, fast_error = kUnknown;
  if (!assumed_) {
    const Scatter brief = scatter_of(fleet, sums, 1);
    components_.clumping = clumping_of(fleet, sums, brief);
    const Between b = between(sums, components_.clumping);
    total = b.total;
    persistent = b.persistent;
    const double m = static_cast<double>(hosts_);
    between_error = std::sqrt(2 / m) * (std::max(total, 0.0) +
                                        components_.clumping / std::max(b.mean_information, kTiny));
    const double square = std::max(brief.second, kTiny);
    fast = (brief.squares - components_.clumping * brief.first) / square;
    fast_error = std::sqrt(2 / square) * components_.clumping;
  }
  components_.fast = shrink_variance(fast, fast_error, prior.fast, prior.sd);
  components_.persistent = shrink_variance(persistent, between_error, prior.slow, prior.sd);
  const double drift = total - std::clamp(components_.persistent, 0.0, std::max(total, 0.0));
  components_.drift = shrink_variance(drift, between_error, 0, prior.sd);

  double requests = 0, reference = 0, counted = 0;
  for (const auto& h : history) {
    const HostSum s = sum_of(fleet, h);
    if (s.requests <= 0) continue;
    Own own{.requests = s.requests, .known = true};
    const double noise =
        components_.clumping / std::max(s.information, 1e-9) + components_.drift / 2;
    const double known = components_.persistent / (components_.persistent + noise);
    const double seen = law == Law::binomial ? std::log((s.bad + 0.5) / (s.requests - s.bad + 0.5))
                                             : std::log((s.bad + 0.5) / s.requests);
    const double share = s.expected / s.requests;
    own.level = known * (seen - (law == Law::binomial ? log_odds(share) : std::log(share)));
    own.unexplained = 1 - known;
    if (own_.size() <= h.host) own_.resize(h.host + size_t{1});
    own_[h.host] = own;
    if (std::find(fleet.hosts.begin(), fleet.hosts.end(), &h) != fleet.hosts.end()) {
      reference += s.requests * std::exp(own.level);
      requests += s.requests;
    }
    counted += 1;
    mean_requests_ += (s.requests - mean_requests_) / counted;
  }
  if (requests > 0) reference_level_ = std::log(reference / requests);
}

const Spread::Own* Spread::find(uint32_t host) const {
  return host < own_.size() && own_[host].known ? &own_[host] : nullptr;
}

double Spread::level(uint32_t host) const {
  const Own* own = find(host);
  return own ? own->level : 0;
}

double Spread::weight(uint32_t host) const {
  const Own* own = find(host);
  return own ? own->requests : mean_requests_;
}

NullModel Spread::null_for(std::span<const uint32_t> canary, size_t baseline_hosts) const {
  const double k = static_cast<double>(std::max<size_t>(canary.size(), 1));
  const double m = static_cast<double>(std::max<size_t>(baseline_hosts, 1));
  NullModel out;
  double unexplained = canary.empty() ? 1 : 0;
  for (const uint32_t host : canary) {
    const Own* own = find(host);
    out.centre += own ? own->level / k : 0;
    unexplained += (own ? own->unexplained : 1) / k;
  }
  const double slow = components_.persistent * unexplained + components_.drift + floor_ * floor_;
  const double scale = 1 / k + 1 / m;
  out.s_slow = std::sqrt(slow * scale);
  out.s_fast = std::sqrt(components_.fast * scale);
  out.s = std::clamp(std::sqrt((slow + components_.fast) * scale), kMinS, kMaxS);
  out.degrees = std::clamp(static_cast<double>(hosts_) - 1, prior_degrees_, kMaxDegrees);
  out.clumping = components_.clumping;
  return out;
}

}  // namespace serin::judge
