#include "ctl/api/views.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "ctl/api/time.h"
#include "schema/text.h"

namespace serin::ctl {
namespace {

using Json = nlohmann::ordered_json;  // what is passed on stays in the order in which it came

constexpr size_t kMostTextBytes = 4096;
constexpr double kMicroseconds = 1e6;

// A field that is absent, null or of another type reads as its default: an older or newer
// aggregator says less, and the rest of what it says still holds.

const Json& member(const Json& object, const char* key) {
  static const Json kNothing;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() ? *found : kNothing;
}

std::string text_of(const Json& value) {
  return value.is_string() ? plain_text(value.get_ref<const std::string&>(), kMostTextBytes) : "";
}
std::string text(const Json& object, const char* key) {
  return text_of(member(object, key));
}
bool flag(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_boolean() && value.get<bool>();
}
uint64_t count_of(const Json& value) {
  return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
}
uint64_t count(const Json& object, const char* key) {
  return count_of(member(object, key));
}
std::optional<double> number(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}
int64_t time(const Json& object, const char* key) {
  return time_from_rfc3339(text(object, key)).value_or(0);
}

template <typename T, typename Read>
std::vector<T> list(const Json& object, const char* key, Read read) {
  std::vector<T> values;
  const Json& array = member(object, key);
  if (!array.is_array()) return values;
  for (const Json& value : array) values.push_back(read(value));
  return values;
}
std::vector<std::string> texts(const Json& object, const char* key) {
  return list<std::string>(object, key, text_of);
}

std::optional<core::DeployState> state_of(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(core::DeployState::rollback_failed); ++i) {
    if (core::name(static_cast<core::DeployState>(i)) == name)
      return static_cast<core::DeployState>(i);
  }
  return std::nullopt;
}

ReasonKind reason_kind_of(const std::string& text) {
  for (const ReasonKind kind : {ReasonKind::evidence, ReasonKind::guardrail, ReasonKind::act}) {
    if (name(kind) == text) return kind;
  }
  return ReasonKind::none;
}

Reason reason_of(const Json& json) {
  return {.kind = reason_kind_of(text(json, "kind")),
          .metric = text(json, "metric"),
          .canary = number(json, "canary"),
          .baseline = number(json, "baseline"),
          .effect = number(json, "effect"),
          .log_evidence = number(json, "log_evidence"),
          .threshold = number(json, "threshold"),
          .host = text(json, "host"),
          .text = text(json, "text")};
}

core::MetricView metric_of(const Json& json) {
  return {.metric = text(json, "metric"),
          .host = text(json, "host"),
          .process = text(json, "process"),
          .canary = number(json, "canary"),
          .baseline = number(json, "baseline"),
          .effect = number(json, "effect"),
          .effect_low = number(json, "effect_low"),
          .effect_high = number(json, "effect_high"),
          .log_evidence = number(json, "log_evidence").value_or(0),
          .threshold = number(json, "threshold").value_or(0),
          .visible_effect = number(json, "visible_effect"),
          .seconds_to_must_see = number(json, "seconds_to_must_see"),
          .text = text(json, "text"),
          .series = {},
          .fired = flag(json, "fired"),
          .baseline_hosts = count(json, "baseline_hosts"),
          .edge_seconds = number(json, "edge_seconds"),
          .quantile = number(json, "quantile"),
          .next_effect = number(json, "next_effect"),
          .seconds_to_next_effect = number(json, "seconds_to_next_effect"),
          .must_see = text(json, "must_see"),
          .seconds_to_rollback = number(json, "seconds_to_rollback"),
          .warmup_margin = number(json, "warmup_margin"),
          .warmup_restarts = static_cast<uint32_t>(count(json, "warmup_restarts")),
          .judged_from_seconds = number(json, "judged_from_seconds"),
          .slope = number(json, "slope"),
          .baseline_slope = number(json, "baseline_slope"),
          .slope_low = number(json, "slope_low"),
          .slope_high = number(json, "slope_high"),
          .room = number(json, "assumed_room"),
          .history_assumed = flag(json, "history_assumed")};
}

core::TimelineEntry entry_of(const Json& json) {
  return {.at_us = time(json, "at"),
          .kind = text(json, "kind"),
          .host = text(json, "host"),
          .text = text(json, "text")};
}

core::CanaryHostView canary_of(const Json& json) {
  return {.host = text(json, "host"),
          .from = text(json, "from"),
          .joined_us = time(json, "joined"),
          .target = text(json, "target"),
          .step = text(json, "step"),
          .reason = text(json, "reason"),
          .commanded_us = time(json, "commanded"),
          .restored_us = time(json, "restored"),
          .verified_us = time(json, "verified"),
          .left = flag(json, "left"),
          .drifted = flag(json, "drifted")};
}

core::DriftView drift_of(const Json& json) {
  return {.host = text(json, "host"),
          .fact = text(json, "fact"),
          .canary = text(json, "canary"),
          .baseline = text(json, "baseline"),
          .before = text(json, "before"),
          .blocking = flag(json, "blocking"),
          .text = text(json, "text")};
}

Absent absent_of(const Json& json) {
  return {text(json, "metric"), text(json, "reason")};
}

core::DeployView deploy_of(const Json& json) {
  return {.id = text(json, "id"),
          .service = text(json, "service"),
          .version = text(json, "version"),
          .previous = text(json, "previous"),
          .attempt = static_cast<uint32_t>(count(json, "attempt")),
          .state = state_of(text(json, "state")).value_or(core::DeployState::watching),
          .verdict = text(json, "verdict"),
          .opened_us = time(json, "opened"),
          .window_ends_us = time(json, "window_ends"),
          .decided_us = time(json, "decided"),
          .ended_us = time(json, "ended"),
          .first_bad_us = time(json, "first_bad"),
          .same_name = flag(json, "same_name"),
          .irreversible = flag(json, "irreversible"),
          .held = flag(json, "held"),
          .incomplete = flag(json, "incomplete"),
          .reason = reason_of(member(json, "reason")),
          .hosts = list<core::CanaryHostView>(json, "hosts", canary_of),
          .baseline_hosts = texts(json, "baseline_hosts"),
          .metrics = list<core::MetricView>(json, "metrics", metric_of),
          .timeline = list<core::TimelineEntry>(json, "timeline", entry_of),
          .canary_requests = count(json, "canary_requests"),
          .canary_errors = count(json, "canary_errors"),
          .requests_harmed = count(json, "requests_harmed"),
          .absent = list<Absent>(json, "absent", absent_of),
          .drift = list<core::DriftView>(json, "drift", drift_of)};
}

core::PlaceboView placebo_of(const Json& json) {
  return {.metric = text(json, "metric"),
          .runs = count(json, "runs"),
          .fired = count(json, "fired"),
          .runs_hour = count(json, "runs_hour"),
          .fired_hour = count(json, "fired_hour"),
          .widening = number(json, "widening").value_or(1),
          .advisory = flag(json, "advisory"),
          .text = text(json, "text")};
}

core::ServiceView service_of(const Json& json) {
  using Running = std::pair<std::string, size_t>;
  return {.name = text(json, "name"),
          .settled = texts(json, "settled"),
          .condemned = texts(json, "condemned"),
          .hosts = count(json, "hosts"),
          .versions = list<Running>(json, "versions",
                                    [](const Json& entry) {
                                      return Running(text(entry, "version"), count(entry, "hosts"));
                                    }),
          .open_deploys = texts(json, "open_deploys"),
          .warmup_restarts =
              json.contains("warmup") ? static_cast<uint32_t>(count(json["warmup"], "restarts")) : 0,
          .placebos = list<core::PlaceboView>(json, "placebos", placebo_of)};
}

std::vector<std::pair<std::string, std::string>> facts_of(const Json& json) {
  std::vector<std::pair<std::string, std::string>> facts;
  const Json& told = member(json, "facts");
  if (!told.is_object()) return facts;
  for (const auto& [name, value] : told.items()) {
    facts.emplace_back(plain_text(name, kMostTextBytes), text_of(value));
  }
  return facts;
}

std::optional<AgentSelf> agent_of(const Json& json) {
  const Json& told = member(json, "agent");
  if (!told.is_object()) return std::nullopt;
  return AgentSelf{.version = text(told, "version"),
                   .cpu_seconds = number(told, "cpu_seconds").value_or(0),
                   .rss_bytes = count(told, "rss_bytes"),
                   .ring_dropped = count(told, "messages_dropped"),
                   .reconnects = count(told, "reconnects"),
                   .publish_failures = count(told, "publish_failures"),
                   .lines_skipped = count(told, "lines_skipped"),
                   .late_ticks = count(told, "late_ticks"),
                   .messages_sent = count(told, "messages_sent")};
}

core::HostView host_of(const Json& json) {
  return {.host = text(json, "host"),
          .service = text(json, "service"),
          .version = text(json, "version"),
          .selected = text(json, "selected"),
          .generation = text(json, "generation"),
          .phase = phase_from(text(json, "phase")).value_or(Phase::unattributed),
          .last_heard_us = time(json, "last_heard"),
          .interval_us = static_cast<uint32_t>(
              std::lround(number(json, "interval").value_or(0) * kMicroseconds)),
          .silent = flag(json, "silent"),
          .conflict = flag(json, "conflict"),
          .gone = flag(json, "gone"),
          .samples = count(json, "samples"),
          .gaps = count(json, "gaps"),
          .repeats = count(json, "repeats"),
          .late = count(json, "late"),
          .refused = count(json, "refused"),
          .skewed = count(json, "skewed"),
          .deploy = text(json, "deploy"),
          .drill = text(json, "drill"),
          .absent = list<Absent>(json, "absent", absent_of),
          .facts = facts_of(json),
          .agent = agent_of(json)};
}

std::optional<core::DrillState> drill_state_of(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(core::DrillState::refused); ++i) {
    if (core::name(static_cast<core::DrillState>(i)) == name)
      return static_cast<core::DrillState>(i);
  }
  return std::nullopt;
}

Result<core::DrillView> drill_of(const Json& json) {
  const std::string state = text(json, "state");
  const auto known = drill_state_of(state);
  if (!known) return fail(fmt::format("the aggregator speaks of a drill's state \"{}\"", state));
  return core::DrillView{.id = text(json, "id"),
                         .service = text(json, "service"),
                         .host = text(json, "host"),
                         .version = text(json, "version"),
                         .target = text(json, "target"),
                         .actor = text(json, "actor"),
                         .reason = text(json, "reason"),
                         .state = *known,
                         .step = text(json, "step"),
                         .text = text(json, "text"),
                         .asked_us = time(json, "asked"),
                         .started_us = time(json, "started"),
                         .ended_us = time(json, "ended"),
                         .there_seconds = number(json, "there_seconds"),
                         .back_seconds = number(json, "back_seconds"),
                         .timeline = {}};
}

/// The answer as a tree; `key` is a member that it must have.
Result<Json> tree_of(const std::string& json, const char* key) {
  Json tree = Json::parse(json, nullptr, false);
  if (tree.is_object() && tree.contains(key)) return tree;
  return fail(fmt::format(
      "this is not an answer of an aggregator (no \"{}\" in it): is the address right? (--api)",
      key));
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// `read` of the tree, or what is wrong with the answer.
template <typename T, typename Read>
Result<T> from_tree(const std::string& json, const char* key, Read read) {
  const auto tree = tree_of(json, key);
  if (!tree) return std::unexpected(tree.error());
  return read(*tree);
}

/// To guess a state would be a lie; anything else that is new may be left out.
Result<void> check_state(const Json& deploy) {
  const std::string state = text(deploy, "state");
  if (state_of(state)) return {};
  return fail(
      fmt::format("the aggregator speaks of a state \"{}\", which this serinctl does not know: "
                  "install the aggregator's version of it",
                  state));
}

}  // namespace

Result<StatusAnswer> read_status(const std::string& json) {
  return from_tree<StatusAnswer>(json, "connected", [](const Json& tree) {
    StatusAnswer status{.connected = flag(tree, "connected"),
                        .caught_up = flag(tree, "caught_up"),
                        .now_us = time(tree, "now"),
                        .version = text(tree, "version"),
                        .counters = {},
                        .warnings = texts(tree, "warnings")};
    const Json& counters = member(tree, "counters");
    if (!counters.is_object()) return status;
    for (const auto& [key, value] : counters.items()) {
      status.counters.emplace_back(plain_text(key, kMostTextBytes), count_of(value));
    }
    return status;
  });
}

Result<std::vector<core::ServiceView>> read_services(const std::string& json) {
  using Services = std::vector<core::ServiceView>;
  return from_tree<Services>(json, "services", [](const Json& tree) {
    return list<core::ServiceView>(tree, "services", service_of);
  });
}

Result<std::vector<core::HostView>> read_hosts(const std::string& json) {
  using Hosts = std::vector<core::HostView>;
  return from_tree<Hosts>(
      json, "hosts", [](const Json& tree) { return list<core::HostView>(tree, "hosts", host_of); });
}

Result<DeploysAnswer> read_deploys(const std::string& json) {
  return from_tree<DeploysAnswer>(json, "deploys", [](const Json& tree) -> Result<DeploysAnswer> {
    for (const Json& one : member(tree, "deploys")) {
      if (auto known = check_state(one); !known) return std::unexpected(known.error());
    }
    DeploysAnswer answer{.deploys = list<core::DeployView>(tree, "deploys", deploy_of),
                         .each = {},
                         .next_cursor = text(tree, "next_cursor")};
    answer.each = list<std::string>(tree, "deploys", dump);
    return answer;
  });
}

Result<core::DeployView> read_deploy(const std::string& json) {
  return from_tree<core::DeployView>(json, "id", [](const Json& tree) -> Result<core::DeployView> {
    if (auto known = check_state(tree); !known) return std::unexpected(known.error());
    return deploy_of(tree);
  });
}

Result<std::string> member_text(const std::string& json, const char* key) {
  return from_tree<std::string>(json, key,
                                [key](const Json& tree) { return dump(member(tree, key)); });
}

Result<std::vector<core::DrillView>> read_drills(const std::string& json) {
  using Drills = std::vector<core::DrillView>;
  return from_tree<Drills>(json, "drills", [](const Json& tree) -> Result<Drills> {
    Drills drills;
    for (const Json& one : member(tree, "drills")) {
      auto drill = drill_of(one);
      if (!drill) return std::unexpected(drill.error());
      drills.push_back(std::move(*drill));
    }
    return drills;
  });
}

Result<core::DrillView> read_drill(const std::string& json) {
  return from_tree<core::DrillView>(json, "id", drill_of);
}

Result<GateRead> read_gate(const std::string& json) {
  return from_tree<GateRead>(json, "gate", [](const Json& tree) {
    return GateRead{text(tree, "gate"), text(tree, "text")};
  });
}

Result<ActRead> read_act(const std::string& json) {
  return from_tree<ActRead>(json, "act", [](const Json& tree) {
    const Json& act = member(tree, "act");
    return ActRead{text(act, "id"), text(act, "deploy"), text(act, "kind")};
  });
}

}  // namespace serin::ctl
