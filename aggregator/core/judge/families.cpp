#include "aggregator/core/judge/families.h"

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/alpha_budget.h"
#include "aggregator/core/judge/business_family.h"
#include "aggregator/core/judge/count_family.h"
#include "aggregator/core/judge/gauge_family.h"
#include "aggregator/core/judge/harm_family.h"
#include "aggregator/core/judge/late_family.h"
#include "aggregator/core/judge/latency_family.h"
#include "aggregator/core/judge/restart_family.h"
#include "aggregator/core/judge/shape_family.h"

namespace serin::judge {
namespace {

constexpr double kHalfDaySeconds = 43200;  // a leak is what would fill the host within it
constexpr double kLevelMargin = 0.05;      // of file descriptors and threads
constexpr double kFewConnections = 20;     // whose coming and going is nobody's problem

/// Mean over the past of all hosts, bytes; 0 without one.
double usual_memory(std::span<const HostHistory> history) {
  double sum = 0, blocks = 0;
  for (const auto& host : history) {
    for (const auto& block : host.blocks) {
      if (!block.rss_bytes) continue;
      sum += *block.rss_bytes;
      blocks += 1;
    }
  }
  return blocks > 0 ? sum / blocks : 0;
}

/// First looks at a slope: memory fills caches at first, descriptors do not.
LeakSettings memory_leak(const Options& o, std::span<const HostHistory> history) {
  LeakSettings leak{.first_look_seconds = 240,
                    .suspect_until_seconds = 900,
                    .margin = o.memory_left_bytes / kHalfDaySeconds,
                    .fills_in_seconds = kHalfDaySeconds,
                    .sd_floor = 1000};
  const double forgiven = o.memory_growth * usual_memory(history);
  if (forgiven > 0) {
    leak.margin = forgiven / o.window_seconds;
    leak.fills_in_seconds = o.window_seconds;
  }
  return leak;
}

LeakSettings descriptor_leak(const Options& o) {
  return {.first_look_seconds = 120,
          .suspect_until_seconds = 0,
          .margin = o.fds_left / kHalfDaySeconds,
          .fills_in_seconds = kHalfDaySeconds,
          .sd_floor = 0.001};
}

struct GaugeKind {
  Share share;
  GaugeSettings settings;
};

Share share_of(Harm harm) {
  return harm == Harm::failed_connects ? Share::failed_connects : Share::accept_overflows;
}

std::vector<GaugeKind> gauges(const Options& o, std::span<const HostHistory> history) {
  const auto settings = [&](Gauge gauge, const char* metric) {
    return GaugeSettings{.gauge = gauge,
                         .metric = metric,
                         .window_seconds = o.window_seconds,
                         .step_seconds = o.step_seconds,
                         .inflation = o.inflation,
                         .widening = trust_of(o, metric).widening,
                         .restarted = !o.placebo};
  };
  GaugeSettings cpu = settings(Gauge::cpu_per_request, "cpu_per_request");
  cpu.level_margin = std::log1p(o.cpu_per_request);
  GaugeSettings rss = settings(Gauge::rss_bytes, "rss_bytes");
  rss.leak = memory_leak(o, history);
  GaugeSettings fds = settings(Gauge::fds, "fds");
  fds.level_margin = kLevelMargin;
  fds.leak = descriptor_leak(o);
  GaugeSettings threads = settings(Gauge::threads, "threads");
  threads.level_margin = kLevelMargin;
  GaugeSettings connections = settings(Gauge::connections, "connections");
  connections.level_margin = std::log1p(o.connections);
  connections.slack = kFewConnections;  // no leak: they follow traffic, and each is a descriptor
  return {{Share::cpu_per_request, cpu},
          {Share::rss_bytes, rss},
          {Share::fds, fds},
          {Share::threads, threads},
          {Share::connections, connections}};
}

/// What takes longer than a watch: leaks, by slopes that begin where the watch's looks end.
std::vector<std::unique_ptr<Family>> make_slopes(const Options& options) {
  Present present{};
  auto kinds = gauges(options, {});
  std::erase_if(kinds, [](const auto& kind) {
    return kind.share == Share::cpu_per_request || kind.share == Share::connections;
  });
  for (const GaugeKind& kind : kinds) present[static_cast<size_t>(kind.share)] = true;
  const auto alpha = alpha_budget(options, present);
  std::vector<std::unique_ptr<Family>> out;
  for (GaugeKind& kind : kinds) {
    kind.settings.alpha = alpha[static_cast<size_t>(kind.share)];
    kind.settings.level_margin.reset();
    // Threads are as scarce as descriptors; in a watch their level says it sooner.
    if (!kind.settings.leak) kind.settings.leak = descriptor_leak(options);
    kind.settings.leak->first_look_seconds = options.slopes_from_seconds;
    kind.settings.kept_windows = 1;
    out.push_back(
        std::make_unique<GaugeFamily>(std::move(kind.settings), std::span<const HostHistory>{}));
  }
  return out;
}

}  // namespace

Trust trust_of(const Options& options, std::string_view metric) {
  Trust all{.metric = std::string(metric)};
  for (const Trust& one : options.trust) {
    const bool edge = metric == "latency_shape" && one.metric.starts_with("latency_");
    if (one.metric != metric && !edge) continue;
    all.widening = std::max(all.widening, one.widening);
    all.advisory = all.advisory || one.advisory;
  }
  return all;
}

std::vector<std::unique_ptr<Family>> make_families(const Options& options,
                                                   std::span<const HostHistory> history,
                                                   bool latency_comes) {
  if (options.slopes_from_seconds > 0) return make_slopes(options);
  Present present{};
  const auto shows = [&](Share share) -> bool& { return present[static_cast<size_t>(share)]; };
  shows(Share::errors) = true;
  const bool latency = LatencyFamily::present(history);
  const bool late = !latency && !options.placebo && (latency_comes || latency_only_hinted(history));
  for (const Share s : {Share::latency_p50, Share::latency_p90, Share::latency_p99,
                        Share::latency_p999, Share::latency_shape}) {
    shows(s) = latency || late;
  }
  auto kinds = gauges(options, history);
  for (const auto& kind : kinds) {
    shows(kind.share) = GaugeFamily::present(kind.settings, history);
  }
  shows(Share::business) = business_counters_in(options, history) > 0;
  for (const Harm harm : kHarms) shows(share_of(harm)) = harm_present(harm, history);
  shows(Share::restarts) = options.restarts;

  const auto alpha = alpha_budget(options, present);
  const auto part = [&](Share share) { return alpha[static_cast<size_t>(share)]; };
  std::vector<std::unique_ptr<Family>> out;
  out.push_back(std::make_unique<ErrorFamily>(options, part(Share::errors), history));
  if (latency) {
    for (auto& family : LatencyFamily::make(options, alpha, history)) {
      out.push_back(std::move(family));
    }
    if (!options.placebo) {
      out.push_back(std::make_unique<ShapeFamily>(options, part(Share::latency_shape), history));
    }
  }
  if (late) {
    for (auto& family : late_latency(options, alpha)) out.push_back(std::move(family));
  }
  for (auto& family : make_business_families(options, part(Share::business), history)) {
    out.push_back(std::move(family));
  }
  for (const Harm harm : kHarms) {
    if (!shows(share_of(harm))) continue;
    out.push_back(make_harm_family(options, harm, part(share_of(harm)), history));
  }
  for (auto& kind : kinds) {
    if (!shows(kind.share)) continue;
    kind.settings.alpha = part(kind.share);
    out.push_back(std::make_unique<GaugeFamily>(std::move(kind.settings), history));
  }
  if (options.restarts && !options.placebo) {
    out.push_back(std::make_unique<RestartFamily>(options, part(Share::restarts), history));
  }
  return out;
}

}  // namespace serin::judge
