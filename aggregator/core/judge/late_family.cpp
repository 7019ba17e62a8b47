#include "aggregator/core/judge/late_family.h"

#include <fmt/core.h>

#include <algorithm>

#include "aggregator/core/judge/latency_family.h"
#include "aggregator/core/judge/shape_family.h"

namespace serin::judge {
namespace {

constexpr double kLessonSeconds = 30;
constexpr double kBlockSeconds = 10;
constexpr uint64_t kLeastRequests = 200;  // as for a past

class LateMetric final : public Metric {
 public:
  LateMetric(const LateFamily& family, const Scope& scope, size_t baseline_hosts, double alpha)
      : family_(family), scope_(scope), baseline_hosts_(baseline_hosts), alpha_(alpha) {}

  void step(const StepView& view, std::span<const size_t> rows) override {
    Family* const judging = family_.judging();
    if (!judging) return;
    if (!metric_ && judging->covers(scope_)) {
      // What the lesson gave may hold more or less of the whole than was set aside for this metric.
      const double part = alpha_ / family_.alpha();
      metric_ = judging->open(scope_, std::max(baseline_hosts_, view.baseline.size()),
                              part * judging->alpha());
    }
    if (metric_) metric_->step(view, rows);
  }

  [[nodiscard]] bool shown() const override { return metric_ != nullptr; }
  [[nodiscard]] Finding finding() const override {
    if (metric_) return metric_->finding();
    Finding nothing;
    nothing.metric = family_.metric();
    nothing.host = scope_.host;
    nothing.history_assumed = true;
    return nothing;
  }
  [[nodiscard]] bool fired() const override { return metric_ && metric_->fired(); }
  [[nodiscard]] std::optional<std::string> half_way() const override {
    return metric_ ? metric_->half_way() : std::nullopt;
  }
  [[nodiscard]] std::optional<std::string> against_early_pass() const override {
    if (metric_) return metric_->against_early_pass();
    if (!family_.learning()) return std::nullopt;
    return fmt::format("{}: what is usual is still being learnt from the other hosts",
                       family_.metric());
  }
  [[nodiscard]] std::optional<std::string> against_pass_at_end() const override {
    return metric_ ? metric_->against_pass_at_end() : std::nullopt;
  }

 private:
  const LateFamily& family_;
  Scope scope_;
  size_t baseline_hosts_;
  double alpha_;
  std::unique_ptr<Metric> metric_;
};

}  // namespace

void LatencyLesson::observe(const StepView& view) {
  if (learnt_ || view.at_seconds == last_) return;
  last_ = view.at_seconds;
  if (!view.comparable) return;
  for (const HostStep& step : view.baseline) add(step);
  seconds_ += step_seconds_;
  if (seconds_ >= kLessonSeconds && requests_ >= kLeastRequests) learn();
}

void LatencyLesson::add(const HostStep& step) {
  if (!step.latency) return;
  auto host = std::ranges::find(hosts_, step.host, &Host::host);
  if (host == hosts_.end())
    host = hosts_.insert(hosts_.end(), Host{.host = step.host, .blocks = {}});
  const auto block = static_cast<size_t>(seconds_ / kBlockSeconds);
  if (host->blocks.size() <= block) host->blocks.resize(block + 1);
  host->blocks[block].merge(*step.latency);
  requests_ += step.latency->total();
}

void LatencyLesson::learn() {
  std::vector<HostHistory> history;
  for (const Host& host : hosts_) {
    HostHistory& past = history.emplace_back();
    past.host = host.host;
    for (size_t i = 0; i < host.blocks.size(); ++i) {
      if (host.blocks[i].empty()) continue;
      past.blocks.push_back({.index = static_cast<int32_t>(i),
                             .requests = host.blocks[i].total(),
                             .latency = &host.blocks[i]});
    }
  }
  made_ = make_(history);
  hosts_ = {};
  learnt_ = true;
}

std::unique_ptr<Family> LatencyLesson::take(const std::string& metric) {
  const auto made = std::ranges::find(made_, metric, &Made::metric);
  return made == made_.end() ? nullptr : std::move(made->family);
}

void LateFamily::observe(const StepView& view) {
  if (family_) {
    family_->observe(view);
    observing_ = true;
    return;
  }
  lesson_->observe(view);
  // What was learnt from is not judged: the family's first step is the next one.
  if (!lesson_->learnt() || taken_) return;
  family_ = lesson_->take(metric_);
  taken_ = true;
}

std::unique_ptr<Metric> LateFamily::open(const Scope& scope, size_t baseline_hosts, double alpha) {
  return std::make_unique<LateMetric>(*this, scope, baseline_hosts, alpha);
}

bool latency_only_hinted(std::span<const HostHistory> history) {
  const auto shown = [](const auto& block) { return block.latency && !block.latency->empty(); };
  return !LatencyFamily::present(history) &&
         std::ranges::any_of(history, [&](const HostHistory& host) {
           return std::ranges::any_of(host.blocks, shown);
         });
}

std::vector<std::unique_ptr<Family>> late_latency(const Options& options,
                                                  const std::array<double, kShares>& alpha) {
  const auto make = [options, alpha](std::span<const HostHistory> history) {
    std::vector<LatencyLesson::Made> made;
    for (auto& family : LatencyFamily::make(options, alpha, history)) {
      const std::string metric = static_cast<const LatencyFamily&>(*family).settings().metric;
      made.push_back({metric, std::move(family)});
    }
    const double shape = alpha[static_cast<size_t>(Share::latency_shape)];
    made.push_back({"latency_shape", std::make_unique<ShapeFamily>(options, shape, history)});
    return made;
  };
  const auto lesson = std::make_shared<LatencyLesson>(options.step_seconds, make);
  std::vector<std::unique_ptr<Family>> out;
  // Which edges there will be is not known yet: their alphas are split anew once they are.
  constexpr std::pair<const char*, Share> kMetrics[] = {
      {"latency_p50", Share::latency_p50},  {"latency_p90", Share::latency_p90},
      {"latency_p99", Share::latency_p99},  {"latency_p999", Share::latency_p999},
      {"latency_slo", Share::latency_p999}, {"latency_shape", Share::latency_shape}};
  for (const auto& [metric, share] : kMetrics) {
    out.push_back(std::make_unique<LateFamily>(metric, alpha[static_cast<size_t>(share)], lesson));
  }
  return out;
}

}  // namespace serin::judge
