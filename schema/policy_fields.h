#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "schema/policy.h"

// Every setting of a policy, described once: the TOML reader, the JSON reader and the JSON writer
// walk the same list.

namespace serin {

inline constexpr std::array<std::string_view, 3> kModes = {"enforce", "recommend", "observe"};
inline constexpr std::array<std::string_view, 2> kGuarantees = {"calibrated", "proven"};
inline constexpr std::array<std::string_view, 4> kHurts = {"lower", "higher", "both", "ignore"};
inline constexpr std::string_view kHurtsRule =
    R"(must be "lower", "higher", "both" or "ignore": what hurts in this counter)";
inline constexpr size_t kMostStages = 16;
inline constexpr size_t kMostBusinessCounters = 64;
inline constexpr std::string_view kStageRule =
    "must be like \"1 host\", \"3 hosts\" or \"25%\", each larger than the last";

/// The value that a word of the list stands for, which are in the order of the enum.
template <typename Enum>
std::optional<Enum> choice_from(std::string_view word, std::span<const std::string_view> words) {
  const auto at = std::ranges::find(words, word);
  if (at == words.end()) return std::nullopt;
  return static_cast<Enum>(at - words.begin());
}
/// "must be …, … or …".
std::string rule_of(std::span<const std::string_view> words);
/// What is wrong with a counter's name; empty: nothing.
std::string_view fault_of_counter(std::string_view name, size_t counters_so_far);
/// Stages that can be read, are not too many, and grow.
bool stages_make_sense(const std::vector<std::string>& stages);

/// Calls the walker for each setting, by its name in files. Limits are what still makes sense to
/// ask for, not advice.
template <typename PolicyType, typename Walker>
void walk_policy(PolicyType& policy, Walker&& at) {
  at.choice("mode", policy.mode, kModes);
  at.duration("watch_window", policy.watch_window_seconds, 10, 86'400);
  at.number("false_rollback_probability", policy.false_rollback_probability, 1e-9, 0.5);
  at.choice("guarantee", policy.guarantee, kGuarantees);
  at.stages("stages", policy.stages);
  at.share("max_parallel", policy.max_parallel);
  at.share("min_healthy", policy.min_healthy);
  at.integer("max_automatic_rollbacks_per_hour", policy.max_automatic_rollbacks_per_hour, 0, 100);
  at.group("margins", [&](auto& margins) {
    margins.group("errors", [&](auto& errors) {
      errors.number("relative", policy.margins.errors_relative, 0, 100);
      errors.share("absolute", policy.margins.errors_absolute);
    });
    margins.group("latency", [&](auto& latency) {
      latency.number("p50", policy.margins.latency_p50, 0, 100);
      latency.number("p90", policy.margins.latency_p90, 0, 100);
      latency.number("p99", policy.margins.latency_p99, 0, 100);
    });
    margins.number("cpu_per_request", policy.margins.cpu_per_request, 0, 100);
    margins.number("connections", policy.margins.connections, 0, 100);
    margins.number("memory", policy.margins.memory, 0, 100);
  });
  at.group("slo", [&](auto& slo) {
    slo.share("errors", policy.slo_errors);
    slo.integer("min_requests", policy.slo_min_requests, 1, 1'000'000);
    slo.duration("latency", policy.slo_latency_seconds, 0, 600);
  });
  at.group("must_see", [&](auto& must_see) {
    must_see.share("errors", policy.must_see_errors);
    must_see.number("latency", policy.must_see_latency, 1.01, 1'000);
  });
  at.counters("business", policy.business);
  at.integer("min_requests_to_pass", policy.min_requests_to_pass, 0, 1'000'000'000);
  at.duration("baseline_age", policy.baseline_age_seconds, 0, 3'600);
  at.duration("soak", policy.soak_seconds, 0, 86'400);
  at.duration("verify_within", policy.verify_seconds, 10, 3'600);
}

}  // namespace serin
