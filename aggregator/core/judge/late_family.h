#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "aggregator/core/judge/alpha_budget.h"
#include "aggregator/core/judge/metric.h"

// Latency without a past. Edges and usual shape must not be taken from what they judge, and there
// is no history to take them from: so they come from the other hosts' first half minute of the
// watch, and the streams start after it.

namespace serin::judge {

/// What the baseline's hosts do in the watch, taken for a history. Shared by the families that wait
/// for it.
class LatencyLesson {
 public:
  struct Made {
    std::string metric;
    std::unique_ptr<Family> family;
  };
  using Make = std::function<std::vector<Made>(std::span<const HostHistory>)>;

  LatencyLesson(double step_seconds, Make make)
      : step_seconds_(step_seconds), make_(std::move(make)) {}

  /// Several families may show it the same step.
  void observe(const StepView& view);
  [[nodiscard]] bool learnt() const { return learnt_; }
  /// Whether there are latencies at all.
  [[nodiscard]] bool seen() const { return requests_ > 0; }
  /// The family of a metric, once; null where the lesson gave none.
  std::unique_ptr<Family> take(const std::string& metric);

 private:
  struct Host {
    uint32_t host = 0;
    std::vector<ExpHistogram> blocks;  ///< of 10 s, from the first on
  };
  void add(const HostStep& step);
  void learn();

  double step_seconds_;
  Make make_;
  std::vector<Host> hosts_;
  double seconds_ = 0, last_ = -1;
  uint64_t requests_ = 0;
  bool learnt_ = false;
  std::vector<Made> made_;
};

/// One latency metric that starts when its lesson is over.
class LateFamily final : public Family {
 public:
  LateFamily(std::string metric, double alpha, std::shared_ptr<LatencyLesson> lesson)
      : metric_(std::move(metric)), alpha_(alpha), lesson_(std::move(lesson)) {}

  void observe(const StepView& view) override;
  [[nodiscard]] std::unique_ptr<Metric> open(const Scope& scope, size_t baseline_hosts,
                                             double alpha) override;
  [[nodiscard]] double alpha() const override { return alpha_; }

  // What its metrics ask.
  [[nodiscard]] const std::string& metric() const { return metric_; }
  [[nodiscard]] bool learning() const { return !lesson_->learnt() && lesson_->seen(); }
  /// The family proper, once it has observed a step; null before, and where there is no such
  /// stream.
  [[nodiscard]] Family* judging() const { return observing_ ? family_.get() : nullptr; }

 private:
  std::string metric_;
  double alpha_;
  std::shared_ptr<LatencyLesson> lesson_;
  std::unique_ptr<Family> family_;
  bool taken_ = false, observing_ = false;
};

/// Whether the past shows that there are latencies, and not enough of them to judge by.
bool latency_only_hinted(std::span<const HostHistory> history);
/// The latency families of a service without a past, one for each metric.
std::vector<std::unique_ptr<Family>> late_latency(const Options& options,
                                                  const std::array<double, kShares>& alpha);

}  // namespace serin::judge
