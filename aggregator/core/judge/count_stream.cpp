#include "aggregator/core/judge/count_stream.h"

#include <algorithm>
#include <cmath>

namespace serin::judge {
namespace {

constexpr double kMaxSum = 1e30;  // far beyond any threshold; keeps sums finite for ever
constexpr double kLeast = 1e-300;
constexpr double kWorseFromTheStart = 0.5;  // prior weight in the slow process

}  // namespace

CountStream::CountStream(const CountPlan& plan) : plan_(&plan) {
  constexpr double kJ = static_cast<double>(kAlternatives);
  const auto open = [&](Process p, double from_start) {
    Mixture& m = mixtures_[static_cast<size_t>(p)];
    m.sum.fill(from_start / kJ);
    m.rest = 1 - from_start;
    m.prior = (1 - from_start) * plan.options.seconds_per_step / plan.options.horizon_seconds;
  };
  open(Process::boundary, 1);
  open(Process::slow, kWorseFromTheStart);
  open(Process::late, 0);
}

void CountStream::step(const Counts& counts, const Offset& offset) {
  const Branch branch(counts);
  while (started_ < plan_->starts && elapsed_ >= CountPlan::kStartSeconds[started_]) {
    snapshot_[started_++] = log_likelihood_;
  }
  random_effects(counts, branch, offset.shift + offset.fade);
  const NullModel& null = plan_->options.null;
  const double a_second = branch.information() / plan_->options.seconds_per_step;
  const double temper =
      1 / (1 + a_second * null.s_fast * null.s_fast * plan_->options.noise_seconds);
  mixture(Process::boundary, counts, branch, offset, 1);
  mixture(Process::slow, counts, branch, offset, temper);
  mixture(Process::late, counts, branch, offset, 1);
  elapsed_ += plan_->options.seconds_per_step;
}

void CountStream::random_effects(const Counts& counts, const Branch& branch, double offset) {
  if (branch.trials > 0) {
    // xc * offset is the same for every u and cancels.
    const double factor = std::exp(offset), x = counts.canary_bad;
    double top = -HUGE_VAL;
    for (size_t j = 0; j < kGrid; ++j) {
      log_likelihood_[j] += x * plan_->u[j] - branch.cumulant(plan_->odds[j] * factor);
      top = std::max(top, log_likelihood_[j]);
    }
    // Only differences count, so everything may be moved together.
    for (double& l : log_likelihood_) l -= top;
    for (size_t i = 0; i < started_; ++i) {
      for (double& l : snapshot_[i]) l -= top;
    }
  }
  double ratio = 0;
  for (size_t i = 0; i < plan_->starts; ++i) {
    ratio += plan_->start_weight[i] * (i < started_ ? start_evidence(i) : 1);
  }
  const double log_ratio = std::log(ratio + kLeast);
  // The limiter: one burst cannot fire alone, and M stays below the log ratio. It climbs from 0,
  // not from the red.
  const bool gained = counts.canary_bad > branch.expected();
  limited_ = std::min(log_ratio, std::max(limited_, 0.0) + (gained ? plan_->cap[0] : 0));
  note(Process::random_effects, limited_);
}

// Likelihood ratio of "worse" to "as hosts differ by nature" since one start.
double CountStream::start_evidence(size_t start) const {
  const Grid& from = snapshot_[start];
  Grid since;
  double top = -HUGE_VAL;
  for (size_t j = 0; j < kGrid; ++j) {
    since[j] = log_likelihood_[j] - from[j];
    top = std::max(top, since[j]);
  }
  double worse = 0, null = 0;
  for (size_t j = 0; j < kGrid; ++j) {
    const double e = std::exp(since[j] - top);
    worse += plan_->worse_weight[j] * e;
    null += plan_->null_weight[j] * e;
  }
  return (worse + kLeast) / (null + kLeast);
}

void CountStream::mixture(Process p, const Counts& counts, const Branch& branch,
                          const Offset& offset, double temper) {
  const auto index = static_cast<size_t>(p);
  Mixture& m = mixtures_[index];
  const double prior = std::min(m.prior, m.rest);  // spent after the horizon
  m.rest -= prior;
  const double each = prior / static_cast<double>(kAlternatives);
  const double bound = plan_->bound[index] + offset.shift;
  const double null = bound + offset.fade, null_cumulant = branch.cumulant(std::exp(null));
  double sum = 0;
  for (size_t j = 0; j < kAlternatives; ++j) {
    const double step = CountPlan::kSteps[j];
    const double u =
        plan_->options.patient_alternatives ? std::max(bound + step, null) : null + step;
    const double gain =
        counts.canary_bad * (u - null) - (branch.cumulant(std::exp(u)) - null_cumulant);
    const double limited = std::min(temper * gain, plan_->cap[index]);
    m.sum[j] = std::min((m.sum[j] + each) * std::exp(limited), kMaxSum);
    sum += m.sum[j];
  }
  note(p, std::log(sum + m.rest + kLeast));
}

void CountStream::note(Process p, double log_evidence) {
  const auto index = static_cast<size_t>(p);
  now_[index] = log_evidence;
  highest_[index] = std::max(highest_[index], log_evidence);
}

Process CountStream::nearest() const {
  size_t best = 0;
  for (size_t p = 1; p < kProcesses; ++p) {
    if (now_[p] - plan_->threshold[p] > now_[best] - plan_->threshold[best]) best = p;
  }
  return static_cast<Process>(best);
}

}  // namespace serin::judge
