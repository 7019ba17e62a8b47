#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aggregator/core/judge/battery.h"

// The seam between the battery and its metrics. A Family knows one metric of the service: its past,
// its spread between hosts, its share of alpha. It opens a Metric for each scope: the pool of
// canary hosts, or one of them.

namespace serin::judge {

/// Whose evidence is gathered.
struct Scope {
  std::vector<uint32_t> hosts;
  std::optional<uint32_t> host;  ///< absent: the pool
};

/// A closed step as metrics see it. Ages of canary hosts are bounded after repeated restarts.
struct StepView {
  double at_seconds = 0;  ///< end of the step since the start of the watch
  std::span<const HostStep> canary, baseline;
  /// False: too few baseline hosts. Nothing is compared, but the prior on late starts is paid.
  bool comparable = true;
  /// Placebos: canary and baseline are the same hosts, and each is set apart in turn.
  bool each_apart = false;
};

class Metric {
 public:
  virtual ~Metric() = default;

  /// `rows`: which entries of `view.canary` belong to the scope; may be empty. The family has
  /// observed `view` before.
  virtual void step(const StepView& view, std::span<const size_t> rows) = 0;

  [[nodiscard]] virtual Finding finding() const = 0;
  /// False: there is nothing to say about it (yet), and its finding is not shown.
  [[nodiscard]] virtual bool shown() const { return true; }
  [[nodiscard]] virtual bool fired() const = 0;

  /// Said when some process is past half its threshold: nobody should call that a pass.
  [[nodiscard]] virtual std::optional<std::string> half_way() const = 0;
  /// What else stands in the way of a pass before the window ends, or at its end (half_way
  /// included); absent: nothing.
  [[nodiscard]] virtual std::optional<std::string> against_early_pass() const = 0;
  [[nodiscard]] virtual std::optional<std::string> against_pass_at_end() const = 0;
};

class Family {
 public:
  virtual ~Family() = default;

  /// Once per step, before its metrics: what they share is computed once.
  virtual void observe(const StepView& view) = 0;
  /// After a step of placebos was observed: what metrics read as the baseline is from here on all
  /// hosts but this row. Only families that are made for placebos are asked.
  virtual void set_apart(const StepView&, size_t /*row*/) {}
  /// `baseline_hosts`: as many as are compared with at the moment. The family outlives its metrics.
  [[nodiscard]] virtual std::unique_ptr<Metric> open(const Scope& scope, size_t baseline_hosts,
                                                     double alpha) = 0;
  /// Its alpha, all scopes together.
  [[nodiscard]] virtual double alpha() const = 0;
  /// False: this scope cannot be judged by it (a host without a past, say), and gets no metric.
  [[nodiscard]] virtual bool covers(const Scope&) const { return true; }
};

}  // namespace serin::judge
