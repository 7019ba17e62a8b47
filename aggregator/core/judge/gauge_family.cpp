#include "aggregator/core/judge/gauge_family.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "aggregator/core/judge/gauge_metric.h"

namespace serin::judge {
namespace {

constexpr double kBlockSeconds = LevelTest::kBlockSeconds;
constexpr size_t kLeastHosts = 3;     // below it there is no spread between hosts
constexpr size_t kLeastBlocks = 12;   // two minutes of past
constexpr double kRestartSd = 0.03;   // a level after a restart differs by this, log scale
constexpr double kLeastSlow = 0.005;  // without a restart: levels that stood still may still move
constexpr double kLeastFast = 0.01;   // gauges that are whole numbers, or stand still
constexpr double kNoiseSeconds = 60;
constexpr double kLeastCoverage = 0.8;  // of a window's blocks
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Amounts that add up over a block; their quotient is the gauge.
struct Amount {
  double value = 0, weight = 0;
};

template <class Sample>
Amount amount_of(Gauge gauge, const Sample& s) {
  const auto one = [](const std::optional<double>& v) {
    return v && std::isfinite(*v) && *v >= 0 ? Amount{*v, 1} : Amount{};
  };
  switch (gauge) {
    case Gauge::cpu_per_request:
      if (s.requests == 0 || one(s.cpu_seconds).weight <= 0) return {};
      return {*s.cpu_seconds, static_cast<double>(s.requests)};
    case Gauge::rss_bytes:
      return one(s.rss_bytes);
    case Gauge::fds:
      return one(s.fds);
    case Gauge::threads:
      return one(s.threads);
    case Gauge::connections:
      return one(s.connections);
  }
  return {};
}

/// Least squares over the finite values, a second.
class Line {
 public:
  void add(double seconds, double y) {
    n_ += 1;
    const double dt = seconds - mean_t_;
    mean_t_ += dt / n_;
    mean_y_ += (y - mean_y_) / n_;
    tt_ += dt * (seconds - mean_t_);
    ty_ += dt * (y - mean_y_);
  }
  [[nodiscard]] double points() const { return n_; }
  [[nodiscard]] double slope() const { return tt_ > 0 ? ty_ / tt_ : 0; }

 private:
  double n_ = 0, mean_t_ = 0, mean_y_ = 0, tt_ = 0, ty_ = 0;
};

/// Logs of one gauge in the past, host by host.
struct Past {
  struct Host {
    uint32_t host = 0;
    std::vector<std::pair<int32_t, double>> blocks;
  };
  std::vector<Host> hosts;
  int32_t low = std::numeric_limits<int32_t>::max(), high = std::numeric_limits<int32_t>::min();
};

Past past_of(const GaugeSettings& settings, std::span<const HostHistory> history) {
  Past past;
  for (const auto& h : history) {
    Past::Host host{.host = h.host, .blocks = {}};
    for (const auto& b : h.blocks) {
      const Amount a = amount_of(settings.gauge, b);
      if (a.weight <= 0 || a.value + settings.slack <= 0) continue;
      host.blocks.emplace_back(b.index, std::log(a.value / a.weight + settings.slack));
      past.low = std::min(past.low, b.index);
      past.high = std::max(past.high, b.index);
    }
    if (host.blocks.size() >= kLeastBlocks) past.hosts.push_back(std::move(host));
  }
  return past;
}

}  // namespace

bool GaugeFamily::present(const GaugeSettings& settings, std::span<const HostHistory> history) {
  return past_of(settings, history).hosts.size() >= kLeastHosts;
}

GaugeFamily::GaugeFamily(GaugeSettings settings, std::span<const HostHistory> history)
    : settings_(std::move(settings)),
      longest_(
          static_cast<size_t>(settings_.kept_windows * settings_.window_seconds / kBlockSeconds) +
          2) {
  learn(history);
}

// Both spreads come from before the deploy: of blocks within a host, and of a host's level between
// the halves. What the whole fleet does in a block is taken out.
void GaugeFamily::learn(std::span<const HostHistory> history) {
  const Past past = past_of(settings_, history);
  past_hosts_ = past.hosts.size();
  if (past_hosts_ == 0) return;
  const auto span = static_cast<size_t>(int64_t{past.high} - past.low + 1);
  std::vector<double> fleet(span, 0), count(span, 0);
  const auto at = [&](int32_t index) { return static_cast<size_t>(int64_t{index} - past.low); };
  for (const auto& host : past.hosts) {
    for (const auto& [index, y] : host.blocks) {
      fleet[at(index)] += y;
      count[at(index)] += 1;
    }
  }
  double within = 0, moved = 0, moved_mean = 0, both = 0;
  for (const auto& host : past.hosts) {
    double n[2] = {}, mean[2] = {}, square = 0, own = 0;
    for (const auto& [index, y] : host.blocks) {
      const double d = y - fleet[at(index)] / count[at(index)];
      const size_t half = at(index) < span / 2 ? 0 : 1;
      n[half] += 1;
      mean[half] += (d - mean[half]) / n[half];
      const double all = n[0] + n[1], before = d - own;
      own += before / all;
      square += before * (d - own);
    }
    within += square / (n[0] + n[1] - 1);
    if (n[0] > 0 && n[1] > 0) {
      both += 1;
      const double change = mean[1] - mean[0], before = change - moved_mean;
      moved_mean += before / both;
      moved += before * (change - moved_mean);
    }
    double level = 0;
    for (const auto& [index, y] : host.blocks) level += y / static_cast<double>(host.blocks.size());
    if (records_.size() <= host.host) records_.resize(host.host + size_t{1});
    records_[host.host].past = level;
  }
  const double m = static_cast<double>(past_hosts_);
  within_ = within / m * (m > 1 ? m / (m - 1) : 1);
  const double noise = within_ * kNoiseSeconds / (0.5 * static_cast<double>(span) * kBlockSeconds);
  moved_ = both > 1 ? std::max(moved / (both - 1) - noise, 0.0) : 0;
}

const GaugeFamily::Record* GaugeFamily::find(uint32_t host) const {
  return host < records_.size() && records_[host].seen ? &records_[host] : nullptr;
}

void GaugeFamily::gather(const HostStep& step, bool baseline) {
  if (records_.size() <= step.host) records_.resize(step.host + size_t{1});
  Record& r = records_[step.host];
  if (!r.seen) {
    r.seen = true;
    if (settings_.leak) r.series.reserve(longest_);
  }
  r.baseline = baseline;
  const Amount a = amount_of(settings_.gauge, step);
  if (a.weight <= 0) return;
  if (r.weight <= 0) r.age = step.age_seconds;
  r.age = std::min(r.age, step.age_seconds);  // a restart within the block
  r.value += a.value;
  r.weight += a.weight;
}

void GaugeFamily::observe(const StepView& view) {
  const auto block = static_cast<int64_t>(
      std::floor((view.at_seconds - 0.5 * settings_.step_seconds) / kBlockSeconds));
  if (block != open_) {
    if (open_ >= 0) close();
    open_ = block;
  }
  if (!view.comparable) return;
  for (const HostStep& host : view.baseline) gather(host, true);
  if (view.each_apart) return;
  for (const HostStep& host : view.canary) gather(host, false);
}

void GaugeFamily::close() {
  closed_ = open_;
  all_ = {};
  for (Record& r : records_) {
    if (!r.seen) continue;
    r.reported = r.weight > 0 && r.value + settings_.slack > 0;
    r.closed_value = r.reported ? r.value / r.weight : kNone;
    r.closed_age = r.age;
    r.value = r.weight = 0;
    if (settings_.leak && closed_ >= 0 && static_cast<size_t>(closed_) < longest_) {
      while (r.series.size() < static_cast<size_t>(closed_)) r.series.push_back(kNone);
      r.series.push_back(r.closed_value);
    }
    add(all_, r, 1);
  }
  use(all_);
}

void GaugeFamily::add(Sums& sums, const Record& r, double sign) const {
  // Levels are told from each host's own past; slopes need none.
  if (!r.reported || !r.baseline || (settings_.level_margin && !r.past)) return;
  sums.hosts += sign;
  sums.mean += sign * r.closed_value;
  sums.deviation += (r.past ? sign * (log_of(r.closed_value) - *r.past) : 0);
}

double GaugeFamily::log_of(double level) const {
  return std::log(level + settings_.slack);
}

void GaugeFamily::use(const Sums& sums) {
  baseline_.reset();
  if (sums.hosts < 2) return;
  baseline_ = {
      .mean = sums.mean / sums.hosts, .deviation = sums.deviation / sums.hosts, .least_age = 0};
}

void GaugeFamily::set_apart(const StepView& view, size_t row) {
  apart_ = view.canary[row].host;
  Sums others = all_;
  if (const Record* record = find(*apart_)) add(others, *record, -1);
  use(others);
}

bool GaugeFamily::known(const Scope& scope) const {
  return std::all_of(scope.hosts.begin(), scope.hosts.end(), [this](uint32_t host) {
    return host < records_.size() && records_[host].past.has_value();
  });
}

bool GaugeFamily::covers(const Scope& scope) const {
  return settings_.leak || known(scope);
}

std::optional<GaugeFamily::Cohort> GaugeFamily::canary(const Scope& scope) const {
  Cohort out{.least_age = std::numeric_limits<double>::infinity()};
  const double k = static_cast<double>(scope.hosts.size());
  for (const uint32_t host : scope.hosts) {
    const Record* r = find(host);
    if (!r || !r->reported) return std::nullopt;
    out.mean += r->closed_value / k;
    out.deviation += r->past ? (log_of(r->closed_value) - *r->past) / k : 0;
    out.least_age = std::min(out.least_age, r->closed_age);
  }
  return out;
}

double GaugeFamily::usual(const Scope& scope) const {
  double sum = 0;
  for (const uint32_t host : scope.hosts) {
    const Record* r = find(host);
    if (r && r->past) sum += std::exp(*r->past) - settings_.slack;
  }
  return std::max(sum, 0.0) / static_cast<double>(scope.hosts.size());
}

LevelNull GaugeFamily::level_null(size_t canary_hosts) const {
  const double k = static_cast<double>(std::max<size_t>(canary_hosts, 1));
  const double m = static_cast<double>(std::max<size_t>(past_hosts_, 1));
  const double restart = settings_.restarted ? kRestartSd : kLeastSlow;
  const double slow = std::sqrt((moved_ + restart * restart) * (1 / k + 1 / m));
  const double fast = std::sqrt(std::max(within_, kLeastFast * kLeastFast) / k);
  return {.s_slow = settings_.widening * slow,
          .s_fast = settings_.widening * fast,
          .degrees = std::clamp(m - 1, 4.0, 60.0)};
}

namespace {

/// `value`: of a block, NaN where there is none.
template <class F>
std::optional<double> slope_of(const GaugeFamily::Stretch& stretch, const F& value) {
  const auto over = [&](int64_t from, int64_t to) -> std::optional<double> {
    Line line;
    for (int64_t b = std::max<int64_t>(from, 0); b < to; ++b) {
      const double y = value(static_cast<size_t>(b));
      if (std::isfinite(y)) line.add(kBlockSeconds * static_cast<double>(b), y);
    }
    if (line.points() < kLeastCoverage * static_cast<double>(to - from)) return std::nullopt;
    return line.slope();
  };
  const auto now = over(stretch.from, stretch.to);
  if (!now || stretch.part == 0) return now;
  const auto before = over(stretch.earlier, stretch.from);
  if (!before) return std::nullopt;
  return *now - stretch.part * *before;
}

}  // namespace

std::optional<double> GaugeFamily::slope(const Scope& scope, const Stretch& stretch) const {
  return slope_of(stretch, [&](size_t block) {
    double sum = 0;
    for (const uint32_t host : scope.hosts) {
      const Record* r = find(host);
      sum += r && block < r->series.size() ? r->series[block] : kNone;
    }
    return sum / static_cast<double>(scope.hosts.size());
  });
}

GaugeFamily::Slopes GaugeFamily::baseline_slopes(const Stretch& stretch) const {
  Slopes out;
  for (const Record& r : records_) {
    if (!r.seen || !r.baseline || (apart_ && &r == &records_[*apart_])) continue;
    const auto slope = slope_of(
        stretch, [&](size_t block) { return block < r.series.size() ? r.series[block] : kNone; });
    if (!slope) continue;
    out.hosts += 1;
    const double before = *slope - out.mean;
    out.mean += before / static_cast<double>(out.hosts);
    out.variance += before * (*slope - out.mean);
  }
  if (out.hosts > 1) out.variance /= static_cast<double>(out.hosts - 1);
  return out;
}

std::unique_ptr<Metric> GaugeFamily::open(const Scope& scope, size_t, double alpha) {
  return std::make_unique<GaugeMetric>(*this, scope, alpha);
}

}  // namespace serin::judge
