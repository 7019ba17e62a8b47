#include "aggregator/core/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/warmup.h"
#include "schema/text.h"

namespace serin::core {
namespace {

constexpr double kMostOddsDigits = 12;  // beyond, a person only needs to know that it is certain
constexpr double kLongestPace = 3600;   // a pace says nothing of times further away
constexpr double kForgiven = 1.01;      // a margin below it is no news
constexpr double kSecondsPerMinute = 60, kSecondsPerHour = 3600;

std::string grouped(double whole) {
  std::string digits = fmt::format("{:.0f}", whole);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string seconds(double value) {
  if (value < 2 * kSecondsPerHour) return fmt::format("{:.0f} s", std::ceil(value));
  return fmt::format("{:.0f} h", value / kSecondsPerHour);
}

bool is_slope(const MetricView& m) {
  return m.process == "SLOPE";
}

/// "x13.7 (95 % sure: x9.1 to x20.4)"
std::string effect(const MetricView& m) {
  if (!m.effect) return m.effect_low ? words_ratio(*m.effect_low) + " or more (95 % sure)" : "";
  std::string text = words_ratio(*m.effect);
  if (m.effect_low && m.effect_high) {
    text += fmt::format(" (95 % sure: {} to {})", words_ratio(*m.effect_low),
                        words_ratio(*m.effect_high));
  } else if (m.effect_low) {
    text += fmt::format(" (95 % sure: {} or more)", words_ratio(*m.effect_low));
  } else if (m.effect_high) {
    text += fmt::format(" (95 % sure: {} or less)", words_ratio(*m.effect_high));
  }
  return text;
}

std::string per_minute(const std::string& metric, double slope) {
  return words_value(metric, slope * kSecondsPerMinute);
}

/// A leak is told as growth; its two levels say nothing.
std::string growth(const MetricView& m) {
  std::string text =
      fmt::format("{} grows by {} a minute against {}", m.metric, per_minute(m.metric, *m.slope),
                  per_minute(m.metric, m.baseline_slope.value_or(0)));
  if (m.baseline_hosts > 0) text += " on " + words_hosts(m.baseline_hosts);
  if (m.slope_low && m.slope_high) {
    text += fmt::format(" (95 % sure: {} to {} more)", per_minute(m.metric, *m.slope_low),
                        per_minute(m.metric, *m.slope_high));
  }
  if (m.room && *m.slope > 0) {
    text += fmt::format("; the {} that are assumed to be left are full in {}",
                        words_value(m.metric, *m.room), seconds(*m.room / *m.slope));
  }
  return text;
}

std::string what_was_seen(const MetricView& m) {
  if (is_slope(m) && m.slope) return growth(m);
  if (!m.canary) {
    return fmt::format("{}: nothing seen on {} yet", m.metric,
                       m.host.empty() ? "the new version" : m.host);
  }
  if (!m.baseline)
    return fmt::format("{} {}: nothing to compare with", m.metric,
                       words_value(m.metric, *m.canary));
  std::string text = words_compared(m);
  if (m.baseline_hosts > 0) text += " on " + words_hosts(m.baseline_hosts);
  if (const std::string times = effect(m); !times.empty())
    text += (m.edge_seconds ? "; latency " : ": ") + times;
  return text;
}

std::string evidence(const MetricView& m) {
  const std::string line = words_odds(m.threshold);
  if (m.fired) return fmt::format("evidence {}, {} was enough", words_odds(m.log_evidence), line);
  if (!(m.log_evidence > 0))
    return fmt::format("no evidence that it is worse; {} rolls back", line);
  return fmt::format("evidence {} of the {} that rolls back", words_odds(m.log_evidence), line);
}

/// What it would take to change the verdict.
void outlook(const MetricView& m, std::vector<std::string>& parts) {
  if (m.judged_from_seconds) {
    parts.push_back(
        fmt::format("judged once its processes are {:.0f} s old", *m.judged_from_seconds));
  }
  if (m.seconds_to_rollback && *m.seconds_to_rollback <= kLongestPace) {
    const std::string pace = m.effect ? " of " + words_ratio(*m.effect) : "";
    parts.push_back(fmt::format("at this pace{} about {} more would roll it back", pace,
                                seconds(*m.seconds_to_rollback)));
  }
  if (m.seconds_to_must_see && *m.seconds_to_must_see > 0) {
    parts.push_back(fmt::format("{} needs about {} more to be seen", m.must_see,
                                seconds(*m.seconds_to_must_see)));
  }
}

/// What would have been seen, and how far the next smaller effect is.
void sight(const MetricView& m, Standing standing, std::vector<std::string>& parts) {
  std::string text;
  if (m.visible_effect) text = words_ratio(*m.visible_effect) + " would have been seen by now";
  if (m.next_effect && standing == Standing::judged && m.seconds_to_next_effect) {
    text += fmt::format("{}{} needs about {} more", text.empty() ? "" : ", ",
                        words_ratio(*m.next_effect), seconds(*m.seconds_to_next_effect));
  } else if (!m.visible_effect && m.next_effect) {
    text = fmt::format("even {} would not have been seen by now", words_ratio(*m.next_effect));
  }
  if (!text.empty()) parts.push_back(std::move(text));
}

}  // namespace

std::string words_percent(double share) {
  const double percent = share * 100;
  if (percent == 0) return "0 %";
  if (std::fabs(percent) < 0.1) return fmt::format("{:.3f} %", percent);
  return fmt::format("{:.{}f} %", percent, std::fabs(percent) < 1 ? 2 : 1);
}

std::string words_odds(double log_evidence) {
  if (!(log_evidence > 0)) return "1 : 1";
  const double digits = log_evidence / std::log(10.0);
  if (digits > kMostOddsDigits) return "over 10^12 : 1";
  const double value = std::exp(log_evidence);
  if (value < 10) return fmt::format("{:.1f} : 1", value);
  // Two digits tell all there is to tell.
  const double unit = std::pow(10.0, std::floor(digits) - 1);
  return grouped(std::round(value / unit) * unit) + " : 1";
}

std::string words_ratio(double ratio) {
  if (ratio < 10) {
    std::string text = fmt::format("x{:.2f}", ratio);
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
    return text;
  }
  return fmt::format("x{:.{}f}", ratio, ratio < 100 && ratio != std::floor(ratio) ? 1 : 0);
}

std::string words_latency(double seconds) { return fmt::format("{:.1f} ms", seconds * 1e3); }

std::string words_value(std::string_view metric, double value) {
  if (metric == "rss_bytes") {
    return std::fabs(value) < 1e9 ? fmt::format("{:.1f} MB", value / 1e6)
                                  : fmt::format("{:.1f} GB", value / 1e9);
  }
  if (metric == "latency_shape") return words_latency(value);
  if (metric == "cpu_per_request") return fmt::format("{:.2f} ms", value * 1e3);
  if (metric == "restarts") return fmt::format("{:.1f} an hour", value * kSecondsPerHour);
  if (metric == "fds" || metric == "threads" || metric == "connections") return fmt::format("{:.0f}", value);
  if (metric == "errors" || metric == "slo" || metric.starts_with("latency_p"))
    return words_percent(value);
  return fmt::format("{:.3g} a request", value);
}

std::string words_hosts(size_t count) {
  return fmt::format("{} host{}", count, count == 1 ? "" : "s");
}

std::string words_list(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string words_compared(const MetricView& metric) {
  const auto value = [&](const std::optional<double>& v) {
    return v ? words_value(metric.metric, *v) : std::string("nothing");
  };
  const std::string ours = value(metric.canary), theirs = value(metric.baseline);
  if (metric.quantile) {
    return fmt::format("{} p{:.12g} {} against {}", metric.metric, *metric.quantile * 100, ours, theirs);
  }
  if (!metric.edge_seconds) return fmt::format("{} {} against {}", metric.metric, ours, theirs);
  return fmt::format("{}: {} of requests slower than {:.3g} ms against {}", metric.metric, ours,
                     *metric.edge_seconds * 1e3, theirs);
}

std::string words_warmup(uint32_t restarts) {
  constexpr uint32_t kLeast = judge::WarmupProfile::kLeastRestarts;
  if (restarts >= kLeast) return fmt::format("learnt from {} restarts", restarts);
  return fmt::format("default (x4, fading in 20 s); {} of {} restarts seen", restarts, kLeast);
}

std::string words_metric(const MetricView& metric, Standing standing) {
  std::string first = what_was_seen(metric);
  if (!metric.host.empty() && metric.canary) first = metric.host + " alone: " + first;
  std::vector<std::string> parts = {std::move(first), evidence(metric)};
  if (!metric.fired) {
    if (standing == Standing::judged) outlook(metric, parts);
    sight(metric, standing, parts);
  }
  if (metric.warmup_margin && *metric.warmup_margin > kForgiven) {
    parts.push_back(words_ratio(*metric.warmup_margin) + " is forgiven to a process of this age" +
                    (metric.warmup_restarts < judge::WarmupProfile::kLeastRestarts
                         ? std::string(" by default")
                         : fmt::format(", as {} earlier restarts needed", metric.warmup_restarts)));
  }
  if (metric.history_assumed) {
    parts.emplace_back("too little past to know how much hosts differ: a usual value is assumed");
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string words_drift(const DriftView& drift) {
  constexpr size_t kValueBytes = 60;
  const auto brief = [](const std::string& value) {
    return value.size() <= kValueBytes ? value : plain_text(value, kValueBytes) + "…";
  };
  std::string text = fmt::format("{} is {} on {}", drift.fact, brief(drift.canary), drift.host);
  if (!drift.baseline.empty()) {
    text += fmt::format(" and {} on the others", brief(drift.baseline));
  } else if (drift.before.empty()) {
    text += ", and the others have none";
  }
  if (!drift.before.empty()) {
    text += fmt::format(" (there it was {} before the deploy)", brief(drift.before));
  }
  return text;
}

std::string words_drifts(const std::vector<DriftView>& drift) {
  constexpr size_t kNamed = 3;
  std::string text;
  for (size_t i = 0; i < std::min(drift.size(), kNamed); ++i) {
    text += (i == 0 ? "" : "; ") + drift[i].text;
  }
  if (drift.size() > kNamed) text += fmt::format("; and {} more", drift.size() - kNamed);
  return text;
}

std::string words_seen(const std::vector<MetricView>& metrics) {
  std::vector<std::string> seen;
  for (const MetricView& m : metrics) {
    if (m.host.empty() && m.visible_effect) {
      seen.push_back(fmt::format("{} {}", m.metric, words_ratio(*m.visible_effect)));
    }
  }
  if (seen.empty()) return "no effect of any size would have been seen by now";
  std::string text = seen.front();
  for (size_t i = 1; i < seen.size(); ++i)
    text += (i + 1 == seen.size() ? " and " : ", ") + seen[i];
  return "by now " + text + " would have been seen";
}

}  // namespace serin::core
